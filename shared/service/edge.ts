import { workFields } from '../context.ts'
import { clientAddressOf } from '../http/limits/client-address.ts'
import { createLimits, type Limits, type LimitsOptions } from '../http/limits/limits.ts'
import type { RequestObserver } from '../http/request-context.ts'
import type { WebConfig } from '../http/web-settings.ts'
import { createLogger, type Logger, type LoggerOptions } from '../observability/logger.ts'
import { type Breakers, type BreakersOptions, createBreakers } from '../resilience/breakers.ts'
import type { Environment } from '../settings.ts'

/** What the edge needs of a service's configuration. */
export type EdgeConfig = WebConfig &
  Omit<LimitsOptions, 'redis' | 'logger' | 'observer'> &
  Pick<BreakersOptions, 'breakerFailures' | 'breakerOpenMs'> & {
    readonly logLevel: string
    readonly logFormat: LoggerOptions['format']
    readonly requestTimeoutMs: number
    readonly trustedProxies?: string | undefined
  }

/** What stands around the routes of an app that may be frozen after any answer: nothing of it runs by itself. */
export interface EdgeFrame {
  /** False where no database is named: what asks one is answered 503. */
  readonly hasDatabase: boolean
  readonly logger: Logger
  readonly breakers: Breakers
  readonly limits: Limits
  readonly clientAddress: (request: Request) => string | undefined
  readonly observers: readonly RequestObserver[]
  readonly report: (error: unknown, code: string) => void
  readonly closing: () => boolean
  readonly web: WebConfig
  readonly timeoutMs: number
}

export interface EdgeOptions<Config extends EdgeConfig> {
  /** Reads the settings of the service. */
  readonly load: (env: Environment) => Config
  /** Builds the app, without anything that waits for more than requests. */
  readonly open: (config: Config, frame: EdgeFrame) => Server
}

interface Server {
  fetch(request: Request): Response | Promise<Response>
}

/** What a host says of a request beside it: `info` of `Deno.serve`, the server of `Bun.serve`. */
interface Host {
  readonly remoteAddr?: { readonly hostname?: string }
  readonly requestIP?: (request: Request) => { readonly address: string } | null
}

/** Nobody listens there. */
const nowhere = 'postgres://nobody@127.0.0.1:1/none'

/**
 * A service as `{ fetch }`, for hosts that start a process with a request and freeze or end it after: it is built with the
 * first request, and nothing runs between requests.
 *
 * Redis is never asked: limits count in each process by itself, and no event is consumed, relayed or shown live.
 *
 * @returns whose `fetch` throws `ConfigurationError` while a setting is wrong.
 */
export function createEdge<Config extends EdgeConfig>({ load, open }: EdgeOptions<Config>) {
  const peers = new WeakMap<Request, string>()
  let server: Server | undefined

  const start = (env: Environment): Server => {
    const hasDatabase = Boolean(env.SERVICE_DATABASE_URL ?? env.SERVICE_DATABASE_URL_FILE)
    const { SERVICE_REDIS_URL_FILE: _, ...settings } = env
    const config = load({
      ...settings,
      SERVICE_REDIS_URL: 'memory://',
      SERVICE_SINGLE_REPLICA: 'true',
      ...(!hasDatabase && { SERVICE_DATABASE_URL: nowhere }),
    })
    return open(config, { ...frameOf(config, (request) => peers.get(request)), hasDatabase })
  }

  return {
    fetch(request: Request, host?: Host): Response | Promise<Response> {
      const peer = host?.remoteAddr?.hostname ?? host?.requestIP?.(request)?.address
      if (peer !== undefined) peers.set(request, peer)
      server ??= start(process.env)
      return server.fetch(request)
    },
  }
}

function frameOf(
  config: EdgeConfig,
  peerAddress: EdgeFrame['clientAddress'],
): Omit<EdgeFrame, 'hasDatabase'> {
  const { serviceName: service, logLevel: level, logFormat: format, trustedProxies } = config
  // At once: a line that waited for a timer would wait for the next request.
  const destination = { write: (line: string) => void process.stdout.write(line) }
  const { logger, accessLog } = createLogger({ service, level, format, context: workFields, destination })
  return {
    logger,
    breakers: createBreakers({
      ...config,
      changed: (breaker, state) => logger.warn({ breaker, state }, 'breaker'),
    }),
    limits: createLimits({ ...config, logger }),
    clientAddress: clientAddressOf({ peerAddress, trustedProxies, logger }),
    observers: [accessLog],
    report: (err, code) => logger.error({ err, code }, 'request failed'),
    closing: () => false,
    web: config,
    timeoutMs: config.requestTimeoutMs,
  }
}
