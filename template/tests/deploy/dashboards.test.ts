import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { YAML } from 'bun'
import { breakerStates } from '../../../shared/resilience/breaker.ts'
import { type RunningService, startService } from '../../../tests/support/process.ts'
import { dashboardFaults } from '../support/dashboard-faults.ts'
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

  test('is as Grafana shows it well, of the chosen data source', () => {
    expect(dashboardFaults(readDashboard(file))).toEqual([])
    for (const { datasource } of shown) expect(datasource).toEqual(chosen)
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

describe('a dashboard is faulty', () => {
  const dashboard = readDashboard('events.json')
  const [first, second, ...rest] = dashboard.panels
  const row = dashboard.panels.find(({ type }) => type === 'row')
  if (!first || !second || !row) throw new Error('there are no panels')
  const asking = (expr: string): Partial<Panel> => ({ targets: [{ refId: 'A', expr }] })
  const target = { refId: 'A', expr: 'up' }

  test.each<[fault: string, changed: Partial<Panel>]>([
    ['$replica is not defined', asking('up{job="$job", instance=~"$replica"}')],
    ['$replica is not defined', asking('up{instance=~"$' + '{replica:regex}"}')],
    ['$replica is not defined', { description: 'of [[replica]]' }],
    ['$__rate_intervall is not defined', asking('rate(up[$__rate_intervall])')],
    [`several panels have the id ${second.id}`, { id: second.id }],
    [`several panels have the title "${second.title}"`, { title: second.title }],
    ['panel 1 lies over another', { gridPos: { ...first.gridPos, h: first.gridPos.h + 1 } }],
    ['panel 1 is not on the grid', { gridPos: { ...first.gridPos, x: -1 } }],
    ['panel 1 is not on the grid', { gridPos: { ...first.gridPos, w: 0 } }],
    ['panel 1 has no title', { title: '' }],
    ['panel 1 has no description', { description: '' }],
    ['panel 1 has no unit', { fieldConfig: { defaults: {} } }],
    ['panel 1 has no query', { targets: [] }],
    ['panel 1 has queries of the same name', { targets: [target, target] }],
    ['panel 1 holds panels', { panels: [row] }],
  ])('where %s', (fault, changed) => {
    const faults = dashboardFaults({ ...dashboard, panels: [{ ...first, ...changed }, second, ...rest] })

    expect(faults).toContain(fault)
  })

  test('but not for what Grafana puts in', () => {
    const changed = asking('rate(up{job="$job"}[$__rate_interval]) / increase(up[$__range])')

    expect(dashboardFaults({ ...dashboard, panels: [{ ...first, ...changed }, second, ...rest] })).toEqual([])
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
