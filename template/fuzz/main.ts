import { parseArgs } from 'node:util'
import fc from 'fast-check'
import { describeRequest, requestsFor } from './requests.ts'
import { openStage } from './stage.ts'

/**
 * `bun run fuzz [--requests 20000] [--seed N] [--path P]`: sends requests made from the service's own document, and judges each answer by it.
 *
 * The seed decides every request; with the path that a failure prints, the smallest that fails is sent alone. Exit code 0 when
 * nothing was found.
 */
const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '20000' },
    seed: { type: 'string' },
    path: { type: 'string' },
  },
})
const seed = Number(values.seed ?? Date.now() % 2 ** 31)
const slowestMs = 1_000
/** In so many every operation must have had its success. */
const enough = 10_000

const say = (text: string) => process.stdout.write(`${text}\n`)

/** Every line of the log is JSON, and none holds a secret. */
function badLines(log: string, secrets: readonly string[]): readonly string[] {
  return log.split('\n').filter((line) => {
    if (line === '') return false
    if (secrets.some((secret) => line.includes(secret))) return true
    try {
      return typeof JSON.parse(line) !== 'object'
    } catch {
      return true
    }
  })
}

const stage = await openStage()
try {
  const { operations, judge, send, service, secrets } = stage
  const words = [
    '1',
    '2',
    'user',
    'ann@example.org',
    '+49 30 1234',
    'Ada',
    'user.created',
    'request.created',
    ...(await stage.subscriptions()),
  ]
  const took: number[] = []
  const statuses = new Map<number, number>()
  const reached = new Set<string>()
  const anyRequest = fc.oneof(...operations.map((operation) => requestsFor(operation, words)))

  const outcome = await fc.check(
    fc.asyncProperty(anyRequest, async (request) => {
      const answer = await send(request)
      took.push(answer.tookMs)
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
      if (answer.status < 300) reached.add(`${request.operation.method} ${request.operation.path}`)
      const wrong = judge(request, answer)
      if (wrong.length > 0)
        throw new Error(
          `${wrong.join('; ')}\n${describeRequest(request)}\n${answer.status} ${answer.text.slice(0, 2000)}`,
        )
    }),
    { seed, numRuns: Number(values.requests), ...(values.path !== undefined && { path: values.path }) },
  )

  const health = await fetch(`${service.url}/health`)
  const broken = badLines(`${service.output.stdout}${service.output.stderr}`, secrets)
  const p99 = took.toSorted((one, other) => one - other)[Math.floor(took.length * 0.99)] ?? 0
  const counted = [...statuses]
    .sort(([one], [other]) => one - other)
    .map(([status, count]) => `${status}: ${count}`)
  const never = operations.filter(({ method, path }) => !reached.has(`${method} ${path}`))
  say(`seed ${seed}, ${took.length} requests to ${operations.length} operations; p99 ${p99.toFixed(1)} ms`)
  say(`answers ${counted.join(', ')}`)
  say(`never succeeded: ${never.map(({ method, path }) => `${method} ${path}`).join(', ') || 'none'}`)
  const problems = [
    ...(outcome.failed
      ? [`${outcome.errorInstance}\nagain: --seed ${seed} --path ${outcome.counterexamplePath}`]
      : []),
    ...(health.status === 200 ? [] : [`health answers ${health.status}: ${await health.text()}`]),
    ...(p99 < slowestMs ? [] : [`one of a hundred takes longer than ${slowestMs} ms`]),
    ...(took.length < enough ? [] : never).map(({ method, path }) => `${method} ${path} never succeeds`),
    ...broken.slice(0, 5).map((line) => `a line of the log: ${line}`),
  ]
  for (const problem of problems) say(`failed: ${problem}`)
  process.exitCode = problems.length === 0 ? 0 : 1
} finally {
  await stage.close()
}
// The servers that were started for it are kept as long as it runs.
process.exit()
