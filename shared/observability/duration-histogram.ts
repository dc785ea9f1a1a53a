import { Histogram, type HistogramConfiguration, type LabelValues } from 'prom-client'
import type { TraceContext } from '../trace-context.ts'

/** Seconds; OpenTelemetry's advice for HTTP durations. */
const defaultBounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

/** The series by their labels' values, one level for each label: nothing is built to look one up. */
interface Branch<Label extends string> {
  readonly next: Map<string | number, Branch<Label>>
  series?: Series<Label>
}

interface Series<Label extends string> {
  readonly labels: LabelValues<Label>
  readonly counts: Float64Array
  sum: number
  /** The last measurement of each bucket that was traced; undefined until there is one. */
  exemplars?: (Exemplar | undefined)[]
}

interface Exemplar {
  readonly labelSet: { readonly trace_id: string; readonly span_id: string }
  readonly value: number
  /** Seconds since the epoch. */
  readonly timestamp: number
}

/**
 * A Prometheus histogram for hot paths: a measurement costs a map look-up for each label and an addition, where prom-client hashes
 * the labels each time. The series are put into prom-client's shape when they are scraped.
 */
export class DurationHistogram<Label extends string> extends Histogram<Label> {
  readonly #name: string
  readonly #help: string
  readonly #labelNames: readonly Label[]
  readonly #bounds: readonly number[]
  readonly #series: Series<Label>[] = []
  readonly #root: Branch<Label> = { next: new Map() }

  constructor(options: HistogramConfiguration<Label>) {
    super(options)
    this.#name = options.name
    this.#help = options.help
    this.#labelNames = options.labelNames ?? []
    this.#bounds = options.buckets ?? defaultBounds
  }

  /**
   * Adds one measurement; `values` are the labels' values in the order of `labelNames`.
   *
   * @param trace where it was taken, if that is recorded: shown as an exemplar, in OpenMetrics.
   */
  record(seconds: number, values: readonly (string | number)[], trace?: TraceContext): void {
    const series = this.#seriesOf(values)
    const { counts } = series
    let index = 0
    while (index < this.#bounds.length && seconds > (this.#bounds[index] as number)) index += 1
    counts[index] = (counts[index] as number) + 1
    series.sum += seconds
    if (trace === undefined) return
    series.exemplars ??= []
    const labelSet = { trace_id: trace.traceId, span_id: trace.spanId }
    series.exemplars[index] = { labelSet, value: seconds, timestamp: Date.now() / 1000 }
  }

  /** What prom-client asks for at a scrape. */
  getForPromString() {
    const values = this.#series.flatMap((series) => this.#valuesOf(series))
    return Promise.resolve({
      name: this.#name,
      help: this.#help,
      type: 'histogram',
      aggregator: 'sum',
      values,
    })
  }

  #seriesOf(values: readonly (string | number)[]): Series<Label> {
    let branch = this.#root
    for (const value of values) {
      let next = branch.next.get(value)
      if (next === undefined) {
        next = { next: new Map() }
        branch.next.set(value, next)
      }
      branch = next
    }
    branch.series ??= this.#addSeries(values)
    return branch.series
  }

  #addSeries(values: readonly (string | number)[]): Series<Label> {
    const labels = Object.fromEntries(
      this.#labelNames.map((name, index) => [name, values[index] ?? '']),
    ) as LabelValues<Label>
    const series = { labels, counts: new Float64Array(this.#bounds.length + 1), sum: 0 }
    this.#series.push(series)
    return series
  }

  #valuesOf({ labels, counts, sum, exemplars }: Series<Label>) {
    let total = 0
    const buckets = [...this.#bounds, '+Inf'].map((le, index) => {
      total += counts[index] ?? 0
      return {
        metricName: `${this.#name}_bucket`,
        labels: { le, ...labels } as LabelValues<Label>,
        value: total,
        ...(exemplars?.[index] && { exemplar: exemplars[index] }),
      }
    })
    return [
      ...buckets,
      { metricName: `${this.#name}_sum`, labels, value: sum },
      { metricName: `${this.#name}_count`, labels, value: total },
    ]
  }
}
