/** What an answer may load and who may frame it, where it says nothing itself: nothing, and nobody. */
const policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const yearSeconds = 31_536_000

/**
 * The headers that every answer has, refusals and errors included.
 *
 * An answer that brings its own `Content-Security-Policy` or `Cache-Control` keeps it; nothing else is stored anywhere.
 *
 * @param options.hstsSeconds for `Strict-Transport-Security`; unset: a year where `tls`, else the header is left out. 0 tells
 * browsers to forget it.
 * @see https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html
 */
export function securityHeaders({
  tls,
  hstsSeconds = tls ? yearSeconds : undefined,
}: {
  readonly tls: boolean
  readonly hstsSeconds?: number | undefined
}): (headers: Headers) => void {
  const hsts = hstsSeconds === undefined ? undefined : `max-age=${hstsSeconds}; includeSubDomains`
  return (headers) => {
    headers.set('x-content-type-options', 'nosniff')
    headers.set('x-frame-options', 'DENY')
    headers.set('referrer-policy', 'no-referrer')
    headers.set('permissions-policy', 'camera=(), geolocation=(), microphone=(), payment=(), usb=()')
    if (hsts !== undefined) headers.set('strict-transport-security', hsts)
    if (!headers.has('content-security-policy')) headers.set('content-security-policy', policy)
    if (!headers.has('cache-control')) headers.set('cache-control', 'no-store')
  }
}
