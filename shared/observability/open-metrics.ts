import { type Metric, Registry } from 'prom-client'

/** A scrape's text, and what it is. */
export interface Exposition {
  readonly contentType: string
  readonly text: string
}

/**
 * The metrics as the scraper asked for them: the OpenMetrics format, which has exemplars, where it accepts that, else the
 * Prometheus text format.
 *
 * @param accept the `Accept` header.
 * @see https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
 */
export async function exposeMetrics(registry: Registry, accept: string | null): Promise<Exposition> {
  if (!accept?.includes('application/openmetrics-text'))
    return { contentType: registry.contentType, text: await registry.metrics() }
  // Of its own for each scrape: in this format prom-client renames the counters that it is given.
  const open = new Registry()
  open.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as typeof open.contentType)
  for (const metric of registry.getMetricsAsArray()) open.registerMetric(renamed(metric as unknown as Read))
  return { contentType: open.contentType, text: await open.metrics() }
}

/** The part of a metric that a registry reads. */
interface Read {
  readonly name: string
  readonly get: () => Promise<Values>
  readonly getForPromString?: () => Promise<Values>
}

interface Values {
  readonly name: string
  readonly type: string
}

/** The name of a counter's family is without the `_total` that its series have. */
function renamed(metric: Read): Metric {
  const read = async () => {
    const values = await (metric.getForPromString?.() ?? metric.get())
    return { ...values, name: values.name.replace(/_total$/, '') }
  }
  return { name: metric.name, getForPromString: read } as unknown as Metric
}
