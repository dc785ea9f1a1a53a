import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { startPostgres } from '@kiln/shared/embedded'
import { pinSelf, requireWrk } from './machine.ts'
import { measure } from './measure.ts'
import { report } from './report.ts'
import { type Server, startServer } from './server.ts'
import { measureStartUp } from './start-up.ts'
import { cases, commandOf, partCases, type Shared, type Subject, service, taxCases } from './subjects.ts'

/**
 * `bun run bench [--rounds 10] [--seconds 1] [--connections 64] [--route users] [--subject Kiln,Elysia] [--no-start]`, or `--parts`, or `--tax`
 *
 * Measures this service side by side with others that do the same work, and prints a table. Takes three to four minutes.
 * `--parts` prices the parts of the service instead, `--tax` what observing it costs.
 */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '1' },
    connections: { type: 'string', default: '64' },
    route: { type: 'string', default: '' },
    subject: { type: 'string', default: '' },
    parts: { type: 'boolean', default: false },
    tax: { type: 'boolean', default: false },
    'no-start': { type: 'boolean', default: false },
  },
})

async function bench(): Promise<string> {
  requireWrk()
  pinSelf()
  const named = values.subject.split(',')
  const wanted = (values.parts ? partCases : values.tax ? taxCases : cases)
    .filter(({ route }) => route.includes(values.route))
    .map((each) => ({
      ...each,
      subjects: each.subjects.filter((subject) => values.subject === '' || named.includes(subject)),
    }))
  const postgres = await startPostgres()
  const collector = startCollector()
  const shared: Shared = {
    databaseUrl: postgres.url,
    jwtSecret: randomBytes(48).toString('base64'),
    collectorUrl: collector.url.href,
  }
  const servers = new Map<Subject, Server>()
  try {
    const admin = createAdmin(shared)
    const startUp =
      values['no-start'] || values.parts || values.tax ? undefined : await measureStartUp(shared, 5)
    for (const subject of new Set(wanted.flatMap(({ subjects }) => subjects)))
      servers.set(subject, await startServer(commandOf(subject, shared)))
    const measurements = await measure({
      cases: wanted,
      servers,
      token: await logIn(shared, admin),
      rounds: Number(values.rounds),
      seconds: Number(values.seconds),
      connections: Number(values.connections),
    })
    return report(measurements, startUp)
  } finally {
    for (const server of servers.values()) await server.stop()
    await collector.stop(true)
    await postgres.stop()
  }
}

/** In this process, which is on the client's core. */
function startCollector() {
  return Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      await request.arrayBuffer()
      return new Response()
    },
  })
}

interface Admin {
  readonly email: string
  readonly password: string
}

/** Migrates the empty database; the admin is its user 1, whom the benchmark reads. */
function createAdmin(shared: Shared): Admin {
  runService(shared, ['migrate', 'up'])
  const email = 'bench@example.test'
  const output = runService(shared, ['users', 'create', '--email', email, '--role', 'admin', '--json'])
  return { email, password: JSON.parse(output).password }
}

function runService(shared: Shared, args: readonly string[]): string {
  const { file, args: program, env, cwd } = service(process.execPath, ['src/main.ts', ...args], shared)
  const { status, stdout, stderr } = spawnSync(file, [...program], { cwd, env: env(0), encoding: 'utf8' })
  if (status !== 0) throw new Error(`${args.join(' ')} failed: ${stderr}`)
  return stdout
}

/** A token of the service itself, which the others accept: they have its key, issuer and audience. */
async function logIn(shared: Shared, admin: Admin): Promise<string> {
  const server = await startServer(commandOf('Kiln', shared))
  try {
    const response = await fetch(`http://127.0.0.1:${server.port}/api/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(admin),
    })
    const { access_token: token } = (await response.json()) as { access_token: string }
    return token
  } finally {
    await server.stop()
  }
}

try {
  process.stdout.write(await bench())
  process.exit(0)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
  process.exit(1)
}
