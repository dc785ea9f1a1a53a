/** What pages of other origins are allowed: to call with a bearer token, never with cookies. */
export interface Cors {
  /** The answer to a preflight from an allowed origin; undefined for every other request. */
  readonly preflight: (request: Request) => Response | undefined
  /** Adds to an answer who may read it. */
  readonly dress: (request: Request, headers: Headers) => void
}

const methods = 'GET, POST, PUT, PATCH, DELETE'
const sentHeaders =
  'authorization, content-type, idempotency-key, if-none-match, last-event-id, traceparent, tracestate, x-correlation-id'
const readHeaders =
  'etag, location, ratelimit, ratelimit-policy, retry-after, www-authenticate, x-correlation-id'
const preflightSeconds = '7200'

/**
 * CORS by a list of exact origins.
 *
 * `Access-Control-Allow-Credentials` is never sent and `*` is no origin: a login travels in `Authorization`, which a page
 * has to set itself. An origin that is not listed is answered as if there were no CORS.
 *
 * @see https://fetch.spec.whatwg.org/#http-cors-protocol
 */
export function allowOrigins(origins: readonly string[]): Cors {
  const allowed = new Set(origins)
  return {
    preflight(request) {
      if (request.method !== 'OPTIONS') return undefined
      const origin = request.headers.get('origin')
      if (origin === null || !allowed.has(origin)) return undefined
      if (!request.headers.has('access-control-request-method')) return undefined
      return new Response(null, {
        status: 204,
        headers: {
          'access-control-allow-methods': methods,
          'access-control-allow-headers': sentHeaders,
          'access-control-max-age': preflightSeconds,
        },
      })
    },
    dress(request, headers) {
      headers.append('vary', 'Origin')
      const origin = request.headers.get('origin')
      if (origin === null || !allowed.has(origin)) return
      headers.set('access-control-allow-origin', origin)
      headers.set('access-control-expose-headers', readHeaders)
    },
  }
}

/** Whether a text is an origin as browsers send it: scheme, host, port where it is not the scheme's own. */
export function isOrigin(text: string): boolean {
  return /^https?:\/\/[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text
}
