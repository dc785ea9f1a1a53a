import type { Environment, SettingProblem } from '../../settings.ts'
import { type SamplerSettings, samplerNames } from './sampler.ts'

/** What the standard `OTEL_*` variables say about tracing. */
export interface TracingSettings {
  /** Where spans are sent, OTLP over HTTP; undefined where nothing is recorded. */
  readonly endpoint: string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly compression: 'none' | 'gzip'
  readonly sampler: SamplerSettings
  readonly serviceName: string | undefined
  readonly resource: Readonly<Record<string, string>>
  readonly batch: {
    readonly delayMs: number
    /** For a batch with all attempts to send it. */
    readonly timeoutMs: number
    readonly maxQueue: number
    readonly maxBatch: number
  }
}

/**
 * Reads the variables of OpenTelemetry that this package knows. An empty value counts as unset.
 *
 * @returns every problem by variable name, without the values: headers hold keys.
 * @see https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
export function readTracingSettings(env: Environment): {
  readonly settings: TracingSettings
  readonly problems: readonly SettingProblem[]
} {
  const problems: SettingProblem[] = []
  const read = <Value>(
    name: string,
    fallback: Value,
    parse: (text: string) => Value | undefined,
    expected: string,
  ): Value => {
    const text = env[name]?.trim()
    if (!text) return fallback
    const value = parse(text)
    if (value !== undefined) return value
    problems.push({ name, message: expected })
    return fallback
  }
  const count = (name: string, fallback: number, minimum = 1, maximum = 3_600_000) =>
    read(
      name,
      fallback,
      (text) => integerWithin(text, minimum, maximum),
      `must be an integer from ${minimum} to ${maximum}`,
    )
  const general = 'OTEL_EXPORTER_OTLP'
  const traces = 'OTEL_EXPORTER_OTLP_TRACES'

  const exporter = read('OTEL_TRACES_EXPORTER', 'otlp', oneOf(['otlp', 'none']), 'must be otlp or none')
  for (const name of [`${general}_PROTOCOL`, `${traces}_PROTOCOL`])
    read(name, 'http/protobuf', oneOf(['http/protobuf']), 'must be http/protobuf')
  const disabled = read('OTEL_SDK_DISABLED', false, parseBoolean, 'must be true or false')
  const url = 'must be an http:// or https:// URL'
  const base = read(`${general}_ENDPOINT`, undefined, parseUrl, url)
  const endpoint = read(`${traces}_ENDPOINT`, base && withPath(base), parseUrl, url)
  const pairs = 'must be a list of key=value, separated by commas'
  const headers = {
    ...read(`${general}_HEADERS`, {}, parsePairs, pairs),
    ...read(`${traces}_HEADERS`, {}, parsePairs, pairs),
  }
  const compress = (name: string, fallback: 'none' | 'gzip') =>
    read(name, fallback, oneOf(['none', 'gzip']), 'must be none or gzip')
  const compression = compress(`${traces}_COMPRESSION`, compress(`${general}_COMPRESSION`, 'none'))
  for (const kind of ['CERTIFICATE', 'CLIENT_CERTIFICATE', 'CLIENT_KEY'])
    for (const name of [`${general}_${kind}`, `${traces}_${kind}`])
      read(name, undefined, () => undefined, 'is not supported: name the authority in NODE_EXTRA_CA_CERTS')
  const timeoutMs = count(`${traces}_TIMEOUT`, count(`${general}_TIMEOUT`, 10_000))
  const resource = read('OTEL_RESOURCE_ATTRIBUTES', {}, parsePairs, pairs)
  const maxQueue = count('OTEL_BSP_MAX_QUEUE_SIZE', 2048, 1, 1_000_000)
  const settings: TracingSettings = {
    endpoint: disabled || exporter === 'none' ? undefined : endpoint?.href,
    headers,
    compression,
    sampler: {
      name: read(
        'OTEL_TRACES_SAMPLER',
        'parentbased_always_on',
        oneOf(samplerNames),
        `must be one of ${samplerNames.join(', ')}`,
      ),
      ratio: read('OTEL_TRACES_SAMPLER_ARG', 1, parseRatio, 'must be a number from 0 to 1'),
    },
    serviceName: env.OTEL_SERVICE_NAME?.trim() || undefined,
    resource,
    batch: {
      delayMs: count('OTEL_BSP_SCHEDULE_DELAY', 5000),
      timeoutMs: Math.min(timeoutMs, count('OTEL_BSP_EXPORT_TIMEOUT', 30_000)),
      maxQueue,
      maxBatch: count('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', Math.min(512, maxQueue), 1, maxQueue),
    },
  }
  return { settings, problems }
}

function oneOf<Name extends string>(names: readonly Name[]) {
  return (text: string): Name | undefined => names.find((name) => name === text.toLowerCase())
}

function parseBoolean(text: string): boolean | undefined {
  const word = text.toLowerCase()
  return word === 'true' ? true : word === 'false' ? false : undefined
}

function integerWithin(text: string, minimum: number, maximum: number): number | undefined {
  if (!/^\d{1,9}$/.test(text)) return undefined
  const value = Number(text)
  return value >= minimum && value <= maximum ? value : undefined
}

function parseRatio(text: string): number | undefined {
  const ratio = /^(\d+(\.\d*)?|\.\d+)$/.test(text) ? Number(text) : Number.NaN
  return ratio >= 0 && ratio <= 1 ? ratio : undefined
}

function parseUrl(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url !== undefined && /^https?:$/.test(url.protocol) && url.hostname ? url : undefined
}

/** The general endpoint is a base, that of traces is used as it is. */
function withPath(base: URL): URL {
  const url = new URL(base)
  url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/traces`
  return url
}

function parsePairs(text: string): Record<string, string> | undefined {
  const pairs: Record<string, string> = {}
  for (const part of text.split(',')) {
    if (part.trim() === '') continue
    const [name = '', ...rest] = part.split('=')
    const key = name.trim()
    if (rest.length === 0 || key === '' || /\s/.test(key)) return undefined
    try {
      pairs[decodeURIComponent(key)] = decodeURIComponent(rest.join('=').trim())
    } catch {
      return undefined
    }
  }
  return pairs
}
