import type { Dashboard, Panel } from './deploy.ts'

const columns = 24

/** What Grafana itself puts in. */
const builtIn = new Set([
  '__all',
  '__dashboard',
  '__field',
  '__from',
  '__interval',
  '__interval_ms',
  '__range',
  '__range_ms',
  '__range_s',
  '__rate_interval',
  '__series',
  '__to',
  '__value',
])

/** What Grafana would load and show wrongly, as sentences; none where a dashboard is well. */
export function dashboardFaults(dashboard: Dashboard): readonly string[] {
  const { panels } = dashboard
  const ids = repeated(panels.map(({ id }) => id))
  const titles = repeated(panels.filter(isShown).map(({ title }) => title))
  return [
    ...unknownVariables(dashboard).map((name) => `$${name} is not defined`),
    ...ids.map((id) => `several panels have the id ${id}`),
    ...titles.map((title) => `several panels have the title "${title}"`),
    ...panels.flatMap((panel, at) => {
      const others = panels.filter((_, index) => index !== at)
      return panelFaults(panel, others).map((fault) => `panel ${panel.id} ${fault}`)
    }),
  ]
}

/** Grafana reads `$name`, `${name}`, `${name:format}` and `[[name]]`. */
function unknownVariables(dashboard: Dashboard): readonly string[] {
  const defined = new Set(dashboard.templating.list.map(({ name }) => name))
  const used = JSON.stringify(dashboard).matchAll(/\$\{?([A-Za-z_]\w*)|\[\[([A-Za-z_]\w*)/g)
  const names = new Set(used.map(([, name, bracketed]) => name ?? bracketed ?? ''))
  return [...names].filter((name) => !defined.has(name) && !builtIn.has(name))
}

function panelFaults(panel: Panel, others: readonly Panel[]): readonly string[] {
  const { title, description, fieldConfig, targets = [], gridPos, panels = [] } = panel
  const { x, y, w, h } = gridPos
  const faults = {
    'has no title': !title,
    'is not on the grid': !(x >= 0 && y >= 0 && w > 0 && h > 0 && x + w <= columns),
    'lies over another': others.some((other) => overlap(gridPos, other.gridPos)),
    // Neither these checks nor the queries' look into a row.
    'holds panels': panels.length > 0,
    'has no description': isShown(panel) && !description,
    'has no unit': isShown(panel) && !fieldConfig?.defaults.unit,
    'has no query': isShown(panel) && targets.length === 0,
    'has queries of the same name': repeated(targets.map(({ refId }) => refId)).length > 0,
  }
  return Object.entries(faults).flatMap(([fault, isSo]) => (isSo ? [fault] : []))
}

const isShown = ({ type }: Panel) => type !== 'row'

type Place = Panel['gridPos']

function overlap(one: Place, other: Place): boolean {
  const beside = one.x + one.w <= other.x || other.x + other.w <= one.x
  const below = one.y + one.h <= other.y || other.y + other.h <= one.y
  return !beside && !below
}

function repeated<Value>(values: readonly Value[]): readonly Value[] {
  return [...new Set(values.filter((value, index) => values.indexOf(value) !== index))]
}
