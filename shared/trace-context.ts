import { Buffer } from 'node:buffer'
import { randomFillSync } from 'node:crypto'

/** Whether a new span of a trace is recorded, given what its parent decided; undefined where it has none. */
export type Sampler = (traceId: string, parentSampled: boolean | undefined) => boolean

/**
 * A place in a trace: the span that work belongs to. Spans themselves are made only where they are recorded.
 *
 * @see https://www.w3.org/TR/trace-context/
 */
export class TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** 16 hexadecimal digits. */
  readonly spanId: string
  /** Whether the spans of this trace are recorded, as far as this process decides. */
  readonly sampled: boolean
  readonly parentSpanId: string | undefined
  /** What other tracing systems keep; at most 512 characters. */
  readonly tracestate: string | undefined

  constructor(
    traceId: string,
    spanId: string,
    sampled: boolean,
    parentSpanId: string | undefined,
    tracestate: string | undefined,
  ) {
    this.traceId = traceId
    this.spanId = spanId
    this.sampled = sampled
    this.parentSpanId = parentSpanId
    this.tracestate = tracestate
  }

  /** The header, and the attribute of a CloudEvent, that carries it on. */
  get traceparent(): string {
    return `00-${this.traceId}-${this.spanId}-${this.sampled ? '01' : '00'}`
  }

  /** A place of its own below this one. */
  child(): TraceContext {
    return new TraceContext(this.traceId, newSpanId(), this.sampled, this.spanId, this.tracestate)
  }
}

/**
 * Goes on with the trace that work arrived with, or begins one.
 *
 * @param sampler undefined where this process records nothing: the trace is handed on as it came.
 */
export function enterTrace(parent: TraceContext | undefined, sampler: Sampler | undefined): TraceContext {
  if (parent === undefined) {
    const traceId = newTraceId()
    return new TraceContext(
      traceId,
      newSpanId(),
      sampler?.(traceId, undefined) ?? false,
      undefined,
      undefined,
    )
  }
  if (sampler === undefined) return parent
  const { traceId, spanId, sampled, tracestate } = parent
  return new TraceContext(traceId, newSpanId(), sampler(traceId, sampled), spanId, tracestate)
}

const wellFormed =
  /^(?!ff)([\da-f]{2})-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(-.{0,200})?$/
const maxStateLength = 512

/** Reads a `traceparent`; undefined where it is not a valid one. */
export function traceContextOf(
  traceparent: string | null | undefined,
  tracestate?: string | null | undefined,
): TraceContext | undefined {
  if (!traceparent) return undefined
  const [, version, traceId, spanId, flags, rest] = wellFormed.exec(traceparent) ?? []
  if (traceId === undefined || spanId === undefined) return undefined
  if (version === '00' && rest !== undefined) return undefined
  const sampled = (Number.parseInt(flags ?? '', 16) & 1) === 1
  return new TraceContext(traceId, spanId, sampled, undefined, boundedState(tracestate))
}

/** Whole members only: a cut one would belong to nobody. */
function boundedState(tracestate: string | null | undefined): string | undefined {
  if (!tracestate) return undefined
  if (tracestate.length <= maxStateLength) return tracestate
  return tracestate.slice(0, tracestate.lastIndexOf(',', maxStateLength)) || undefined
}

const maxBaggageLength = 2048

/** A `baggage` header as it is carried on; undefined where it is too long or cannot be one. */
export function boundedBaggage(baggage: string | null | undefined): string | undefined {
  return baggage && baggage.length <= maxBaggageLength && /^[\x21-\x7e][\x20-\x7e]*$/.test(baggage)
    ? baggage
    : undefined
}

let newestTraceId = ''
let newestWords = 0

export function newTraceId(): string {
  newestTraceId = randomHex(32)
  const at = (used - 32) / 2
  newestWords =
    randomBytes.readUInt32BE(at) ^
    randomBytes.readUInt32BE(at + 4) ^
    randomBytes.readUInt32BE(at + 8) ^
    randomBytes.readUInt32BE(at + 12)
  return newestTraceId
}

export function newSpanId(): string {
  return randomHex(16)
}

/**
 * The four words of a trace id, each read as a number, under exclusive or: what decides whether it is among those of a ratio.
 *
 * Nearly always that is asked of the id that was just made, whose words are still there as numbers.
 */
export function wordsOfTraceId(traceId: string): number {
  if (traceId === newestTraceId) return newestWords >>> 0
  let sum = 0
  for (let at = 0; at < 32; at += 8) sum ^= Number.parseInt(traceId.slice(at, at + 8), 16)
  return sum >>> 0
}

const randomBytes = Buffer.alloc(4096)
let digits = ''
let used = 0

/** Random digits are made thousands at a time: asking for each id alone costs ten times as much. */
function randomHex(length: number): string {
  if (used + length > digits.length) {
    digits = randomFillSync(randomBytes).toString('hex')
    used = 0
  }
  used += length
  return digits.slice(used - length, used)
}
