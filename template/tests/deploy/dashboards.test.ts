import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { YAML } from 'bun'
import { breakerStates } from '../../../shared/resilience/breaker.ts'
import { type RunningService, startService } from '../../../tests/support/process.ts'
import {
  dashboardFiles,
  exportedMetrics,
  knownSeries,
  type Panel,
  readDashboard,
  readDeployFile,
  readRules,
  seriesNames,
} from '../support/deploy.ts'

setDefaultTimeout(60_000)

const chosen = { type: 'prometheus', uid: '$' + '{datasource}' }

let service: RunningService
let scraped: string
let known: ReadonlySet<string>
beforeAll(async () => {
  // Spans are counted only where they are recorded.
  service = await startService({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' })
  scraped = await (await fetch(`${service.url}/metrics`)).text()
  known = knownSeries(scraped)
})
afterAll(() => service.close())

describe.each(dashboardFiles())('the dashboard %s', (file) => {
  const { panels, templating, schemaVersion } = readDashboard(file)
  const shown = panels.filter(({ type }) => type !== 'row')
  const exprs = shown.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))

  test('lets the data source, the service and the replicas be chosen', () => {
    const variables = templating.list.map(({ name, type }) => `${type} ${name}`)

    expect(variables).toEqual(['datasource datasource', 'query job', 'query instance'])
    expect(schemaVersion).toBe(41)
  })

  test('has panels with a title of their own, a description, a unit and the chosen data source', () => {
    const titles = shown.map(({ title }) => title)

    expect(new Set(titles).size).toBe(titles.length)
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    for (const { description, datasource, fieldConfig, targets } of shown) {
      expect(description).toBeString()
      expect(datasource).toEqual(chosen)
      expect(fieldConfig?.defaults.unit).toBeString()
      expect(targets?.length).toBeGreaterThan(0)
    }
  })

  test('has panels beside each other, none over another', () => {
    const cells = panels.flatMap(cellsOf)

    expect(new Set(cells).size).toBe(cells.length)
    expect(Math.max(...panels.map(({ gridPos }) => gridPos.x + gridPos.w))).toBe(24)
  })

  test('reads what the service exports, of the chosen service alone', () => {
    for (const expr of exprs) {
      const names = seriesNames(expr)

      expect(names.length).toBeGreaterThan(0)
      expect({ expr, unknown: names.filter((name) => !known.has(name)) }).toEqual({ expr, unknown: [] })
      for (const [selector] of expr.matchAll(/\{[^}]*\}/g)) expect(selector).toContain('job="$job"')
    }
  })
})

test('the state of a breaker is shown by its name', () => {
  const panel = readDashboard('runtime.json').panels.find(({ title }) => title === 'State of breakers')
  const named = breakerStates.map((text, index) => [index, { text, index }])

  expect(panel?.fieldConfig?.defaults.mappings).toEqual([
    { type: 'value', options: Object.fromEntries(named) },
  ])
})

test('every metric that the service exports is in a panel or an alert', () => {
  const panels = dashboardFiles().flatMap((file) => readDashboard(file).panels)
  const shown = panels.flatMap(({ targets = [] }) => targets)
  const alerts = readRules().filter(({ alert }) => alert !== undefined)
  const used = new Set([...shown, ...alerts].flatMap(({ expr }) => seriesNames(expr)))

  const exported = [...exportedMetrics(scraped)]
  const unused = exported.filter(([, series]) => !series.some((name) => used.has(name)))

  expect(exported.length).toBeGreaterThan(40)
  expect(unused.map(([name]) => name)).toEqual([])
})

describe('provisioning', () => {
  test('names the folder of the dashboards, and a data source without a uid', () => {
    const read = (file: string) => YAML.parse(readDeployFile(`grafana/provisioning/${file}`))

    expect(read('dashboards/service.yml')).toMatchObject({
      apiVersion: 1,
      providers: [{ type: 'file', options: { path: '/etc/grafana/dashboards' } }],
    })
    const { datasources } = read('datasources/prometheus.yml') as { datasources: Record<string, unknown>[] }
    expect(datasources).toMatchObject([{ type: 'prometheus', isDefault: true }])
    expect(datasources[0]).not.toHaveProperty('uid')
  })
})

function cellsOf({ gridPos: { x, y, w, h } }: Panel): string[] {
  return Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`)
}
