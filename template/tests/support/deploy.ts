import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { YAML } from 'bun'

export const deployFolder = resolve(import.meta.dirname, '../../../deploy')

export const readDeployFile = (file: string) => readFileSync(join(deployFolder, file), 'utf8')

export interface Rule {
  readonly expr: string
  /** One of the two. */
  readonly record?: string
  readonly alert?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

export interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly datasource?: unknown
  /** Of a row that is collapsed. */
  readonly panels?: readonly Panel[]
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number }
  readonly fieldConfig?: {
    readonly defaults: { readonly unit?: string; readonly mappings?: readonly object[] }
  }
  readonly targets?: readonly {
    readonly refId: string
    readonly expr: string
    readonly datasource?: unknown
  }[]
}

export interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly schemaVersion: number
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string }[] }
}

/** The rules of `deploy/prometheus/alerts.yml`, in order. */
export function readRules(): readonly Rule[] {
  const { groups } = YAML.parse(readDeployFile('prometheus/alerts.yml')) as {
    groups: readonly { readonly rules: readonly Rule[] }[]
  }
  return groups.flatMap(({ rules }) => rules)
}

/** The names of its alerts. */
export const alertNames = () => readRules().flatMap(({ alert }) => alert ?? [])

export const dashboardFiles = () => readdirSync(join(deployFolder, 'grafana/dashboards')).sort()

export const readDashboard = (file: string) =>
  JSON.parse(readDeployFile(`grafana/dashboards/${file}`)) as Dashboard

/** The names of series that a PromQL expression reads. */
export function seriesNames(expr: string): readonly string[] {
  const bare = expr
    .replace(/"(\\.|[^"\\])*"/g, '')
    .replace(/\{[^}]*\}|\[[^\]]*\]/g, '')
    .replace(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, '')
  const words = bare.match(/\b[a-zA-Z_:][\w:]*\b(?!\s*\()/g) ?? []
  return [...new Set(words)].filter((word) => !keywords.has(word))
}

const keywords = new Set(['and', 'or', 'unless', 'offset', 'bool', 'sum', 'max', 'min', 'count', 'group'])

/** What Prometheus itself adds to every target. */
const ofScrapes = ['up', 'scrape_duration_seconds']

/** Every metric in a scrape's text, with the series that come of it: of a histogram there are three. */
export function exportedMetrics(scraped: string): ReadonlyMap<string, readonly string[]> {
  const types = scraped.matchAll(/^# TYPE (\S+) (\S+)$/gm)
  return new Map(
    types.map(([, name = '', type]) => {
      const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
      return [name, suffixes.map((suffix) => `${name}${suffix}`)]
    }),
  )
}

/** Every series that can come of a scrape's text and of the recording rules. */
export function knownSeries(scraped: string): ReadonlySet<string> {
  const exported = [...exportedMetrics(scraped).values()].flat()
  return new Set([...exported, ...ofScrapes, ...readRules().flatMap(({ record }) => record ?? [])])
}
