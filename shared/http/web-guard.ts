import { allowOrigins } from './cors.ts'
import { problemResponse, SharedError, sharedProblems } from './problem-errors.ts'
import { securityHeaders } from './security-headers.ts'
import type { WebConfig } from './web-settings.ts'

/** What stands around all routes: it may answer in their place, and adds to every answer. */
export interface WebGuard {
  /** The answer to a request that no route shall see. */
  readonly intercept: (request: Request) => Response | undefined
  readonly dress: (request: Request, headers: Headers) => void
}

/** Runtimes make a URL of whatever is given as `Host`: with one of these in it the path would be another one. */
const noHost = /[\s/?#@\\<>"{}|^`]/

/** Security headers, CORS, the form of `Host` and the limit of the URL, as the settings ask for them. */
export function webGuard(
  config: Pick<WebConfig, 'tlsCertFile' | 'hstsSeconds' | 'corsOrigins' | 'maxUrlBytes'>,
): WebGuard {
  const { tlsCertFile, hstsSeconds, corsOrigins = [], maxUrlBytes } = config
  const dress = securityHeaders({ tls: tlsCertFile !== undefined, hstsSeconds })
  const cors = corsOrigins.length > 0 ? allowOrigins(corsOrigins) : undefined
  return {
    intercept(request) {
      if (noHost.test(request.headers.get('host') ?? '')) return wrongHost(request)
      if (request.url.length > maxUrlBytes) return tooLong(request, maxUrlBytes)
      return cors?.preflight(request)
    },
    dress(request, headers) {
      dress(headers)
      cors?.dress(request, headers)
    },
  }
}

function tooLong(request: Request, maxBytes: number): Response {
  const failure = new SharedError('URI_TOO_LONG', `The URL is longer than ${maxBytes} bytes`)
  return problemResponse(failure, sharedProblems.URI_TOO_LONG, request)
}

function wrongHost(request: Request): Response {
  return problemResponse(
    new SharedError('HOST_INVALID', 'The Host header names no host'),
    sharedProblems.HOST_INVALID,
    request,
  )
}
