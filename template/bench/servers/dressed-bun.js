/**
 * What Kiln asks Bun for with each request, and nothing else: the address, four headers and the URL read, its ten headers set. No
 * framework, log, metrics or trace: what is left of Bun once somebody reads and writes headers.
 */
const headers = Object.entries({
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  'content-security-policy':
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
  'ratelimit-policy': '"address";q=1000000000;w=60',
})
let remaining = 1_000_000_000

Bun.serve({
  hostname: '127.0.0.1',
  port: Number(process.env.PORT),
  fetch(request, server) {
    for (const name of ['host', 'traceparent', 'x-forwarded-for']) request.headers.get(name)
    const correlationId = request.headers.get('x-correlation-id') ?? crypto.randomUUID()
    if (request.url.length > 8192 || server.requestIP(request)?.address === undefined) return new Response()
    const response = Response.json({ message: 'Hello from my service!' })
    response.headers.set('x-correlation-id', correlationId)
    for (const [name, value] of headers) response.headers.set(name, value)
    remaining -= 1
    response.headers.set('ratelimit', `"address";r=${remaining};t=60`)
    return response
  },
})
