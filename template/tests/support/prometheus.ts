import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '@kiln/shared/embedded'
import { YAML } from 'bun'
import { eventually } from '../../../shared/testing/index.ts'
import { spawnProgram } from '../../../tests/support/process.ts'
import { dashboardFiles, readDashboard, readDeployFile } from './deploy.ts'

export interface Target {
  readonly job: string
  readonly url: string
  /** Default 1. A service whose database is away answers a scrape after two seconds. */
  readonly everySeconds?: number
}

export interface Series {
  readonly metric: Readonly<Record<string, string>>
  /** By time, oldest first; of an instant query only one. */
  readonly values: readonly number[]
}

interface RuleGroup {
  readonly rules: readonly { readonly name: string; readonly health: string; readonly lastError?: string }[]
}

interface Answer {
  readonly data: {
    readonly result: readonly {
      readonly metric: Record<string, string>
      readonly value?: [number, string]
      readonly values?: [number, string][]
    }[]
  }
}

/** As `eventually`, for what takes some scrapes. */
export const until = <Result>(check: () => Promise<Result>) =>
  eventually(check, { timeoutMs: 60_000, everyMs: 250 })

export type Prometheus = Awaited<ReturnType<typeof startPrometheus>>

/**
 * A real Prometheus with the configuration and the rules of `deploy/prometheus`. What differs, for the sake of time: it looks
 * every second, at the targets given, and every `for:` of the rules is three seconds. The rules come once all targets have
 * been scraped, or what is about to be seen would count as away.
 */
export async function startPrometheus(targets: readonly Target[]) {
  const folder = mkdtempSync(join(tmpdir(), 'prometheus-'))
  const config = YAML.parse(readDeployFile('prometheus/prometheus.yml')) as {
    global: object
    scrape_configs: readonly object[]
  }
  const rules = readDeployFile('prometheus/alerts.yml').replace(/^( +for:) \w+$/gm, '$1 3s')
  const scrapes = targets.map(({ job, url, everySeconds = 1 }) => ({
    ...withoutDiscovery(config.scrape_configs[0]),
    job_name: job,
    scrape_interval: `${everySeconds}s`,
    scrape_timeout: `${everySeconds}s`,
    static_configs: [{ targets: [new URL(url).host] }],
  }))
  const global = { ...config.global, scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' }
  writeFileSync(
    join(folder, 'prometheus.yml'),
    JSON.stringify({ ...config, global, scrape_configs: scrapes }),
  )
  // `rule_files` may name what is not there yet.
  const port = await freePort()
  const { child, output } = spawnProgram(
    [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--enable-feature=exemplar-storage',
      '--log.level=warn',
    ],
    { program: 'prometheus' },
  )
  const url = `http://127.0.0.1:${port}`
  const get = async (path: string, parameters: Record<string, string> = {}) => {
    const response = await fetch(`${url}${path}?${new URLSearchParams(parameters)}`)
    if (!response.ok) throw new Error(`${path}: ${await response.text()}${output.stderr}`)
    return await response.text()
  }
  await eventually(() => get('/-/ready'))

  const series = async (path: string, parameters: Record<string, string>): Promise<readonly Series[]> => {
    const { data } = JSON.parse(await get(path, parameters)) as Answer
    return data.result.map(({ metric, value, values = value ? [value] : [] }) => ({
      metric,
      values: values.map(([, text]) => Number(text)),
    }))
  }
  const query = (query: string) => series('/api/v1/query', { query })
  const range = (query: string, fromSeconds: number, toSeconds: number) =>
    series('/api/v1/query_range', { query, start: `${fromSeconds}`, end: `${toSeconds}`, step: '1' })
  await eventually(
    async () => {
      const scraped = await query('up == 1')
      if (scraped.length < targets.length) throw new Error(`${scraped.length} targets are up`)
    },
    { timeoutMs: 20_000, everyMs: 100 },
  )
  writeFileSync(join(folder, 'alerts.yml'), rules)
  child.kill('SIGHUP')

  return {
    /** Every rule, once each of them has been evaluated. */
    rules: () =>
      eventually(
        async () => {
          const { data } = JSON.parse(await get('/api/v1/rules')) as { data: { groups: RuleGroup[] } }
          const rules = data.groups.flatMap((group) => group.rules)
          if (rules.length === 0 || rules.some(({ health }) => health === 'unknown'))
            throw new Error('not every rule has been evaluated')
          return rules
        },
        { everyMs: 100 },
      ),
    query,
    /** How often a service was seen to start again. */
    async restarts(job: string): Promise<number> {
      const [found] = await query(`changes(process_start_time_seconds{job="${job}"}[15m])`)
      return found?.values[0] ?? 0
    },
    /** Second by second. */
    range,
    /** What the panel of that title shows of a service since a time. */
    async shown(title: string, job: string, fromSeconds: number): Promise<readonly Series[]> {
      const panels = dashboardFiles().flatMap((file) => readDashboard(file).panels)
      const exprs = panels.flatMap((panel) => (panel.title === title ? (panel.targets ?? []) : []))
      const now = Date.now() / 1000
      return (await Promise.all(exprs.map(({ expr }) => range(chosen(expr, job), fromSeconds, now)))).flat()
    },
    /** Those of the exemplars that some series have had since a time. */
    async traceIds(query: string, fromSeconds: number): Promise<readonly string[]> {
      const end = `${Date.now() / 1000}`
      const found = await get('/api/v1/query_exemplars', { query, start: `${fromSeconds}`, end })
      return [...found.matchAll(/"trace_id":"(\w+)"/g)].map(([, traceId]) => traceId ?? '')
    },
    /** Every alert that has fired so far, as `job name`. */
    async fired(): Promise<ReadonlySet<string>> {
      const found = await query('last_over_time(ALERTS{alertstate="firing"}[30m])')
      return new Set(found.map(({ metric }) => `${metric.job} ${metric.alertname}`))
    },
    async stop(): Promise<void> {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
      rmSync(folder, { recursive: true })
    },
  }
}

function withoutDiscovery(scrape: object = {}): object {
  return Object.fromEntries(Object.entries(scrape).filter(([key]) => !key.endsWith('_sd_configs')))
}

/** A dashboard's query as Grafana puts in what was chosen: one service, all its replicas. */
export function chosen(expr: string, job: string): string {
  return expr.replaceAll('$job', job).replaceAll('$instance', '.*').replaceAll('$__rate_interval', '6s')
}
