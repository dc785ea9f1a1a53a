import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { YAML } from 'bun'
import packageJson from '../../../package.json' with { type: 'json' }

const folder = resolve(import.meta.dirname, '../../../.github/workflows')

interface Workflow {
  readonly permissions?: Readonly<Record<string, string>>
  readonly jobs: Readonly<
    Record<
      string,
      {
        readonly 'timeout-minutes'?: number
        readonly permissions?: Readonly<Record<string, string>>
        readonly steps: readonly {
          readonly uses?: string
          readonly run?: string
          readonly with?: Readonly<Record<string, unknown>>
        }[]
      }
    >
  >
}

/** What a workflow may do at most; a job that writes says so itself. */
const writing: Readonly<Record<string, readonly string[]>> = {
  'ci.yml': [],
  'release.yml': ['contents', 'id-token', 'attestations', 'packages'],
}

describe.each(readdirSync(folder))('the workflow %s', (file) => {
  const text = readFileSync(join(folder, file), 'utf8')
  const { permissions, jobs } = YAML.parse(text) as Workflow
  const steps = Object.values(jobs).flatMap(({ steps }) => steps)

  test('takes actions by commit, and says which version that is', () => {
    const uses = text.split('\n').filter((line) => /\buses:/.test(line))

    expect(uses.length).toBeGreaterThan(3)
    for (const line of uses) expect(line).toMatch(/uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
  })

  test('may read by default, writes only where a job says so, and keeps no token', () => {
    const asked = Object.values(jobs).flatMap(({ permissions = {} }) => Object.entries(permissions))
    const checkouts = steps.filter(({ uses }) => uses?.startsWith('actions/checkout@'))

    expect(Object.values(permissions ?? { all: 'write' })).not.toContain('write')
    for (const [scope, level] of asked) if (level === 'write') expect(writing[file]).toContain(scope)
    for (const step of checkouts) expect(step.with).toMatchObject({ 'persist-credentials': false })
  })

  test('ends each job in time, and takes nothing from outside into a script', () => {
    for (const job of Object.values(jobs)) expect(job['timeout-minutes']).toBeNumber()
    for (const { run = '' } of steps) expect(run).not.toContain('$' + '{{')
  })

  test('runs scripts that package.json has', () => {
    const scripts = steps.flatMap(({ run = '' }) =>
      [...run.matchAll(/bun run (\w+)/g)].map(([, name]) => name),
    )

    expect(scripts.length).toBeGreaterThan(1)
    expect(Object.keys(packageJson.scripts)).toEqual(expect.arrayContaining(scripts))
  })
})
