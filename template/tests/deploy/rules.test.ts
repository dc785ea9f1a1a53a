import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { onPath } from '@kiln/shared/embedded'
import { type RunningService, startService } from '../../../tests/support/process.ts'
import {
  alertNames,
  deployFolder,
  knownSeries,
  readDeployFile,
  readRules,
  seriesNames,
} from '../support/deploy.ts'

setDefaultTimeout(60_000)

const runbook = readDeployFile('RUNBOOK.md')

describe.skipIf(onPath('promtool').length === 0)('promtool', () => {
  const promtool = (args: readonly string[], input?: string) =>
    spawnSync('promtool', args, {
      cwd: join(deployFolder, 'prometheus'),
      encoding: 'utf8',
      ...(input && { input }),
    })

  test.each([
    ['the configuration is valid', ['check', 'config', 'prometheus.yml']],
    ['the rules are valid', ['check', 'rules', '--lint-fatal', 'alerts.yml']],
    ['each alert fires at its fault, after its time', ['test', 'rules', 'alerts.test.yml']],
  ])('%s', (_, args) => {
    const { status, stdout, stderr } = promtool(args)

    expect({ status, output: status === 0 ? '' : stdout + stderr }).toEqual({ status: 0, output: '' })
  })
})

describe('each alert', () => {
  const alerts = readRules().filter(({ alert }) => alert !== undefined)

  test.each(alerts.map((rule) => [rule.alert ?? '', rule] as const))(
    '%s says how severe it is, what happens, and what to do',
    (name, { labels, annotations }) => {
      const anchor = name.toLowerCase()

      expect(['critical', 'warning']).toContain(labels?.severity ?? '')
      expect(annotations).toEqual({
        summary: expect.stringMatching(/^\{\{ \$labels\.(job|instance) \}\}/),
        description: expect.stringMatching(/\.$/),
        runbook_url: `deploy/RUNBOOK.md#${anchor}`,
      })
      expect(readDeployFile('prometheus/alerts.test.yml')).toContain(
        `alertname="${name}",alertstate="firing",`,
      )
    },
  )
})

describe('the runbook', () => {
  test('has a paragraph for each alert, in their order, and no other', () => {
    const sections = [...runbook.matchAll(/^### (\w+)\n\n(\S[^#]*)/gm)]

    expect(sections.map(([, name]) => name)).toEqual([...alertNames()])
  })

  test('links to itself where there is something', () => {
    const anchors = [...runbook.matchAll(/\]\(#(\w+)\)/g)].map(([, anchor]) => anchor)

    expect(anchors.length).toBeGreaterThan(5)
    expect(alertNames().map((name) => name.toLowerCase())).toEqual(expect.arrayContaining(anchors))
  })

  test('names commands and settings that README has', () => {
    const readme = readFileSync(resolve(deployFolder, '../README.md'), 'utf8')
    const commands = [...runbook.matchAll(/`((?:events|outbox) \w+|config|healthcheck)\b[^`]*`/g)]
    const settings = [...runbook.matchAll(/`(SERVICE_[A-Z_]+)/g)]

    expect(commands.length).toBeGreaterThan(10)
    for (const [, name] of [...commands, ...settings]) expect(readme).toContain(`\`${name}`)
  })
})

describe('what the rules read', () => {
  let service: RunningService
  let known: ReadonlySet<string>
  beforeAll(async () => {
    service = await startService()
    known = knownSeries(await (await fetch(`${service.url}/metrics`)).text())
  })
  afterAll(() => service.close())

  test.each(readRules().map(({ alert, record, expr }) => [alert ?? record ?? '', expr]))(
    'for %s, the service exports',
    (_, expr) => {
      const names = seriesNames(expr)

      expect(names.length).toBeGreaterThan(0)
      expect(names.filter((name) => !known.has(name))).toEqual([])
    },
  )
})
