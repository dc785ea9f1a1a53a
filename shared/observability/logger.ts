import { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import pino, { type DestinationStream, type Logger as PinoLogger } from 'pino'
import type { RequestObserver } from '../http/request-context.ts'
import { lineOutput } from './line-output.ts'
import { type LogLevelControl, logLevelControl } from './log-level.ts'

export type Logger = PinoLogger

export interface LoggerOptions {
  readonly service: string
  /** The lowest level that is logged, any case. */
  readonly level: string
  /** `json` for machines, one object a line; `text` for people. */
  readonly format: 'json' | 'text'
  /** Fields that every line gets, asked for at each: the correlation id of the request being served. */
  readonly context?: () => Record<string, unknown>
  /** Where lines go; default standard output, in blocks of 256 KiB or every 100 ms. */
  readonly destination?: DestinationStream & { flush?(): Promise<void> }
}

/** What one request leaves in the log. */
export interface Logging {
  readonly logger: Logger
  readonly level: LogLevelControl
  /** Writes one line for each request. */
  readonly accessLog: RequestObserver
  /** Writes what is still held back, and waits a few seconds for a slow reader; call it last. */
  readonly flush: () => Promise<void>
}

const secretFields = [
  'password',
  'old_password',
  'new_password',
  'password_hash',
  'token',
  'access_token',
  'refresh_token',
  'secret',
  'authorization',
  'cookie',
  'email',
  'phone',
  'first_name',
  'last_name',
  'full_name',
]
const redactedPaths = secretFields.flatMap((field) => [field, `*.${field}`, `*.*.${field}`])

/** Structured logs in one stream, with secrets and personal data masked by field name. */
export function createLogger({
  service,
  level,
  format,
  context = () => ({}),
  destination = lineOutput(),
}: LoggerOptions): Logging {
  const text = format === 'text' ? textInto(destination) : undefined
  const logger = pino(
    {
      level: level.toLowerCase(),
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: context,
      redact: { paths: redactedPaths, censor: '[redacted]' },
      serializers: { err: describeError },
    },
    text ?? destination,
  )
  const accessLog = format === 'text' ? accessThrough(logger) : accessLines(logger, destination, service)
  const flush = async (): Promise<void> => {
    await text?.end()
    await destination.flush?.()
  }
  return { logger, level: logLevelControl(logger), accessLog, flush }
}

/** Lines for people. What makes them is loaded only here: production starts faster without it. */
function textInto(destination: DestinationStream): DestinationStream & { end(): Promise<void> } {
  const early: string[] = []
  let write = (line: string): void => {
    early.push(line)
  }
  const output = new Writable({
    write(chunk, _encoding, done) {
      destination.write(String(chunk))
      done()
    },
  })
  const load = async () => {
    const { default: pretty } = await import('pino-pretty')
    const stream = pretty({
      destination: output,
      sync: true,
      colorize: process.stdout.isTTY === true,
      translateTime: 'SYS:HH:MM:ss.l',
      ignore: 'service',
      singleLine: true,
    })
    write = (line) => stream.write(line)
    for (const line of early) write(line)
    return stream
  }
  const loading = load()
  return {
    write: (line) => write(line),
    async end() {
      const stream = await loading
      stream.end()
      await finished(output)
    },
  }
}

function accessThrough(logger: Logger): RequestObserver {
  return ({ request, route, correlationId, principal, trace }, status, durationMs) =>
    logger.info(
      {
        correlation_id: correlationId,
        trace_id: trace?.traceId,
        span_id: trace?.spanId,
        method: request.method,
        route: route ?? null,
        status,
        duration_ms: Math.round(durationMs * 1000) / 1000,
        ...(principal && { user_id: principal.userId }),
      },
      'request',
    )
}

/**
 * The same line without building an object for each request. All of its texts are either ours or, like the ids, of a
 * character set that needs no escaping; methods and routes are escaped once and kept.
 */
function accessLines(logger: Logger, destination: DestinationStream, service: string): RequestObserver {
  const ending = `,"service":${JSON.stringify(service)},"msg":"request"}\n`
  const places = new Map<string | undefined, Map<string, string>>()
  const placeOf = (method: string, route: string | undefined): string => {
    let place = places.get(route)?.get(method)
    if (place === undefined) {
      place = `"method":${JSON.stringify(method)},"route":${JSON.stringify(route ?? null)},"status":`
      const methods = places.get(route) ?? new Map<string, string>()
      if (methods.size < maxMethods) places.set(route, methods.set(method, place))
    }
    return place
  }
  return ({ request, route, correlationId, principal, trace }, status, durationMs) => {
    if (!logger.isLevelEnabled('info')) return
    const ids = trace === undefined ? '' : `,"trace_id":"${trace.traceId}","span_id":"${trace.spanId}"`
    const user = principal === undefined ? '' : `,"user_id":${principal.userId}`
    destination.write(
      `{"level":"info","time":"${timestamp()}","correlation_id":"${correlationId}"${ids},${placeOf(request.method, route)}${status},"duration_ms":${Math.round(durationMs * 1000) / 1000}${user}${ending}`,
    )
  }
}

/** There are fewer, but a client may send what it likes. */
const maxMethods = 20

let lastMs = 0
let lastText = ''

/** ISO 8601 of now; formatting it is dear, so lines of one millisecond share it. */
function timestamp(): string {
  const nowMs = Date.now()
  if (nowMs !== lastMs) {
    lastMs = nowMs
    lastText = new Date(nowMs).toISOString()
  }
  return lastText
}

interface DescribedError {
  readonly type: string
  readonly message: string
  readonly code?: unknown
  readonly stack?: string | undefined
  readonly cause?: DescribedError
}

/** An error without its other fields: PostgreSQL's `detail` holds the row's values. */
export function describeError(error: unknown, depth = 0): DescribedError {
  if (!(error instanceof Error)) return { type: typeof error, message: 'not an Error' }
  return {
    type: error.name,
    message: error.message,
    ...('code' in error && { code: error.code }),
    stack: error.stack,
    ...(error.cause !== undefined && depth < 5 && { cause: describeError(error.cause, depth + 1) }),
  }
}
