import {
  type Attributes,
  type Context,
  type ContextManager,
  context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import type { BasicTracerProvider, IdGenerator, Sampler as OtelSampler } from '@opentelemetry/sdk-trace-base'
import { currentWork, runAt, type WorkContext } from '../../context.ts'
import { newSpanId, newTraceId, type Sampler, TraceContext } from '../../trace-context.ts'
import { type EndWork, epochTime, type RecordSpan, spanContextOf } from './recorder.ts'

/** Gives new ids, or those that a span has had since before there was an object for it. */
export class HandedIds implements IdGenerator {
  #next: TraceContext | undefined

  next(place: TraceContext | undefined): void {
    this.#next = place
  }

  generateTraceId(): string {
    return this.#next?.traceId ?? newTraceId()
  }

  generateSpanId(): string {
    return this.#next?.spanId ?? newSpanId()
  }
}

/** Our sampler, for the spans that the service's author begins. */
export function asOtelSampler(sampler: Sampler): OtelSampler {
  return {
    shouldSample(parent, traceId) {
      const flags = trace.getSpanContext(parent)?.traceFlags
      const sampled = sampler(traceId, flags === undefined ? undefined : (flags & 1) === 1)
      return { decision: sampled ? 2 : 0 }
    },
    toString: () => 'kiln',
  }
}

/**
 * Makes OpenTelemetry's API work within ours, on the one AsyncLocalStorage there is: `trace.getActiveSpan()` is the
 * span of the request or event, and a span begun with `startActiveSpan` is the parent of the queries within it.
 *
 * The span of a request is an object only once somebody asks for it.
 *
 * @returns how the span of a work is ended, and how to take the API back.
 */
export function installOtelApi(
  provider: BasicTracerProvider,
  ids: HandedIds,
  record: RecordSpan,
): { readonly end: EndWork; readonly uninstall: () => void } {
  const tracer = provider.getTracer('@kiln/shared')
  const begun = new WeakMap<WorkContext, Span>()

  const begin = (work: WorkContext, place: TraceContext, startedAtMs: number): Span => {
    const { parentSpanId } = place
    const parent =
      parentSpanId === undefined
        ? ROOT_CONTEXT
        : trace.setSpanContext(ROOT_CONTEXT, {
            ...spanContextOf(place),
            spanId: parentSpanId,
            isRemote: true,
          })
    ids.next(place)
    const kind = work.event === undefined ? SpanKind.SERVER : SpanKind.CONSUMER
    const span = tracer.startSpan('', { kind, startTime: epochTime(startedAtMs) }, parent)
    ids.next(undefined)
    begun.set(work, span)
    return span
  }
  const spanOf = (work: WorkContext, place: TraceContext): Span => {
    const { startedAtMs } = work
    if (place.sampled && startedAtMs !== undefined) return begun.get(work) ?? begin(work, place, startedAtMs)
    return trace.wrapSpanContext(spanContextOf(place))
  }
  const active = (): Context => {
    const work = currentWork()
    if (work?.active !== undefined) return work.active
    const place = work?.trace
    return work && place ? trace.setSpan(ROOT_CONTEXT, spanOf(work, place)) : ROOT_CONTEXT
  }

  context.setGlobalContextManager(new WorkContexts(active))
  trace.setGlobalTracerProvider(provider)
  return {
    end(work, span) {
      const own = begun.get(work)
      if (own?.isRecording()) endBegun(own, span)
      else record(span)
    },
    uninstall() {
      trace.disable()
      context.disable()
    },
  }
}

/** What its author has set stays. */
function endBegun(own: Span, { name, attributes, endedAtMs, error, links }: Parameters<EndWork>[1]): void {
  own.updateName(name)
  own.setAttributes(attributes as Attributes)
  if (error !== undefined) own.setAttribute('error.type', error).setStatus({ code: SpanStatusCode.ERROR })
  if (links) own.addLinks(links.map((link) => ({ context: spanContextOf(link) })))
  own.end(epochTime(endedAtMs))
}

class WorkContexts implements ContextManager {
  readonly active: () => Context

  constructor(active: () => Context) {
    this.active = active
  }

  with<Args extends unknown[], Call extends (...args: Args) => ReturnType<Call>>(
    within: Context,
    call: Call,
    thisArg?: ThisParameterType<Call>,
    ...args: Args
  ): ReturnType<Call> {
    return runAt(placeOf(within), () => call.call(thisArg, ...args), within)
  }

  bind<Target>(within: Context, target: Target): Target {
    if (typeof target !== 'function') return target
    const bound = (...args: unknown[]) => runAt(placeOf(within), () => target(...args), within)
    return bound as Target
  }

  enable(): this {
    return this
  }

  disable(): this {
    return this
  }
}

function placeOf(within: Context): TraceContext | undefined {
  const span = trace.getSpanContext(within)
  if (span === undefined) return undefined
  const { traceId, spanId, traceFlags, traceState } = span
  return new TraceContext(traceId, spanId, (traceFlags & 1) === 1, undefined, traceState?.serialize())
}
