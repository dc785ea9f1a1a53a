import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test as nodeTest } from 'node:test'
import { fileURLToPath } from 'node:url'
import { deliverySuite } from '@kiln/shared/testing'
import type { Outcome } from '@kiln/shared/testing/delivery-program'
import { isCompiled, spawnProgram, underTest } from '../support/process.ts'
import { createTestKeys, redisUrl } from '../support/redis.ts'

const program = fileURLToPath(import.meta.resolve('@kiln/shared/testing/delivery-program'))
const folder = mkdtempSync(join(tmpdir(), 'delivery-'))
const keys = createTestKeys()
const outcomes = new Map<string, Outcome>()

before(
  async () => {
    const [file = '', ...args] = isCompiled ? [await compile()] : [...underTest.slice(0, -1), program]
    const { output, ended } = spawnProgram(args, {
      program: file,
      env: { REDIS_URL: redisUrl, EVENTS_PREFIX: keys.prefix },
    })
    await ended
    for (const line of output.stdout.split('\n').filter((line) => line.startsWith('{'))) {
      const outcome: Outcome = JSON.parse(line)
      outcomes.set(outcome.name, outcome)
    }
    assert.equal(output.stderr, '')
  },
  { timeout: 120_000 },
)
after(async () => {
  rmSync(folder, { recursive: true })
  if (redisUrl) await keys.drop()
})

/** As scripts/build.ts compiles the service. */
async function compile(): Promise<string> {
  const outfile = join(folder, 'delivery')
  const flags = ['--compile', '--minify', '--bytecode', '--format=esm', `--outfile=${outfile}`]
  const build = spawn(process.execPath, ['build', program, ...flags], { stdio: 'ignore' })
  const [code] = await once(build, 'close')
  assert.equal(code, 0)
  return outfile
}

for (const name of ['memory', ...(redisUrl ? ['redis'] : [])]) {
  deliverySuite({
    name,
    // They have been played already, in a process of what is tested.
    test: (sentence) =>
      nodeTest(sentence, () => {
        assert.ok(outcomes.has(sentence), 'it was not played to its end')
        assert.equal(outcomes.get(sentence)?.error, undefined)
      }),
    open: () => Promise.reject(new Error('nothing is played here')),
  })
}
