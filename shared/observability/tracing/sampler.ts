import { type Sampler, wordsOfTraceId } from '../../trace-context.ts'

/** The samplers that `OTEL_TRACES_SAMPLER` may name. */
export const samplerNames = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const

export interface SamplerSettings {
  readonly name: (typeof samplerNames)[number]
  /** How many of the traces that begin here, 0 to 1; for `traceidratio` alone. */
  readonly ratio: number
}

/** @see https://opentelemetry.io/docs/specs/otel/trace/sdk/#built-in-samplers */
export function createSampler({ name, ratio }: SamplerSettings): Sampler {
  const root = rootSampler(name, ratio)
  return name.startsWith('parentbased_') ? (traceId, parent) => parent ?? root(traceId) : (id) => root(id)
}

function rootSampler(name: SamplerSettings['name'], ratio: number): (traceId: string) => boolean {
  if (name.endsWith('always_on')) return () => true
  if (name.endsWith('always_off')) return () => false
  // The same arithmetic as OpenTelemetry's own: services with one ratio choose the same traces.
  const bound = ratio === 1 ? 2 ** 32 : Math.floor(ratio * 0xffffffff)
  return (traceId) => wordsOfTraceId(traceId) < bound
}
