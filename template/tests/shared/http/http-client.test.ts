import { afterEach, describe, expect, test } from 'bun:test'
import { gzipSync } from 'node:zlib'
import { runAs, type WorkContext } from '@kiln/shared/context'
import { createHttpClient, type HttpClientOptions } from '@kiln/shared/http'
import { createBreakers } from '@kiln/shared/resilience'
import { eventually } from '@kiln/shared/testing'
import { isPublicAddress } from '../../../../shared/http/client/addresses.ts'
import { publicFetch } from '../../../../shared/http/client/public-fetch.ts'
import { type Fetch, tracedFetch } from '../../../../shared/observability/traced-fetch.ts'
import { traceContextOf } from '../../../../shared/trace-context.ts'
import { startOtherServer } from './support/other-server.ts'

type OtherServer = Awaited<ReturnType<typeof startOtherServer>>

const open: OtherServer[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})
async function serve(...given: Parameters<typeof startOtherServer>): Promise<OtherServer> {
  const server = await startOtherServer(...given)
  open.push(server)
  return server
}

const traced = (fetch?: Fetch) => tracedFetch(fetch && { fetch })
function client(options: Partial<HttpClientOptions> = {}) {
  const breakers = createBreakers({ breakerFailures: 3, breakerOpenMs: 60_000 })
  return { breakers, http: createHttpClient({ fetch: traced, breakers, ...options }) }
}
const codeOf = (asked: Promise<unknown>) =>
  asked.then(
    () => 'answered',
    (error: { code?: string }) => error.code,
  )

test('one client is for services of ours, another for URLs of strangers', async () => {
  const server = await serve((_, response) => response.end('{"id":1}'))
  const [telemetry, billingUrl] = [{ tracedFetch: traced }, `http://${server.host}`]
  const breakers = createBreakers({ breakerFailures: 3, breakerOpenMs: 60_000 })

  const billing = createHttpClient({ fetch: telemetry.tracedFetch, breakers })
  const hooks = createHttpClient({ fetch: telemetry.tracedFetch, breakers, urls: 'outside' })

  const invoice = await billing(`${billingUrl}/api/invoices/1`)
  const told = hooks('http://localhost/hook', { method: 'POST', json: { paid: true } })

  expect(await invoice.json()).toEqual({ id: 1 })
  expect(await codeOf(told)).toBe('ADDRESS_REFUSED')
})

describe('a call to another service', () => {
  test('carries trace and correlation id, and nothing of the caller’s credentials', async () => {
    const server = await serve((_, response) => response.end('{"id":1}'))
    const { http } = client()
    const trace = traceContextOf('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')
    const request = new Request('http://us/', { headers: { authorization: 'Bearer x', cookie: 'a=b' } })
    const work: WorkContext & { request: Request } = { correlationId: 'abc', trace, request }

    const answer = await runAs(work, () => http(server.url))

    expect(await answer.json()).toEqual({ id: 1 })
    const [seen] = server.requests
    expect(seen?.headers).toMatchObject({
      traceparent: expect.stringContaining('0af7651916cd43dd8448eb211c80319c'),
      'x-correlation-id': 'abc',
    })
    expect(seen?.headers).not.toHaveProperty('authorization')
    expect(seen?.headers).not.toHaveProperty('cookie')
  })

  test('gives an answer of any status as it is', async () => {
    const server = await serve((_, response) => response.writeHead(404, { 'x-of': 'theirs' }).end('none'))
    const { http } = client()

    const answer = await http(server.url, { method: 'POST', json: { name: 'Ann' } })

    expect([answer.status, answer.headers.get('x-of'), await answer.text()]).toEqual([404, 'theirs', 'none'])
    expect(server.requests[0]?.headers['content-type']).toBe('application/json')
  })

  test('follows no redirect', async () => {
    const elsewhere = await serve((_, response) => response.end('secret'))
    const server = await serve((_, response) => response.writeHead(302, { location: elsewhere.url }).end())
    const { http } = client()

    const answer = await http(server.url, { headers: { authorization: 'Bearer x' } })

    expect([answer.status, answer.headers.get('location')]).toEqual([302, elsewhere.url])
    expect(elsewhere.requests).toHaveLength(0)
  })
})

describe('what is tried again', () => {
  const twiceAway = (
    _: unknown,
    response: { writeHead(status: number): { end(text: string): void } },
    count: number,
  ) => response.writeHead(count < 3 ? 503 : 200).end(`answer ${count}`)

  test.each([
    ['GET', {}, 'answer 3'],
    ['PUT', { body: 'x' }, 'answer 3'],
    ['POST', { body: 'x', idempotent: true }, 'answer 3'],
    ['POST', { body: 'x' }, 'answer 1'],
    ['PATCH', { body: 'x' }, 'answer 1'],
  ])('%s %j ends with %s', async (method, request, expected) => {
    const server = await serve(twiceAway)
    const { http } = client()

    const answer = await http(server.url, { method, ...request })

    expect(await answer.text()).toBe(expected)
  })

  test('nobody was there for, though it changes something', async () => {
    const server = await serve((_, response) => response.end())
    await open.pop()?.close()
    const calls: string[] = []
    const counted = (fetch?: Fetch): Fetch => {
      const send = traced(fetch)
      return (input, init) => {
        calls.push(String(input))
        return send(input, init)
      }
    }
    const { http } = client({ fetch: counted })

    const code = await codeOf(http(server.url, { method: 'POST', body: 'x' }))

    expect([code, calls.length]).toEqual(['DEPENDENCY_UNAVAILABLE', 3])
  })

  test('waits as long as the host asks for, unless there is not so much time', async () => {
    const server = await serve((_, response, count) =>
      response.writeHead(count === 1 ? 429 : 200, { 'retry-after': '1' }).end(),
    )
    const startedAtMs = performance.now()

    const patient = await client().http(server.url)
    const tookMs = performance.now() - startedAtMs
    server.requests.length = 0
    const hurried = await client({ totalTimeoutMs: 500 }).http(server.url)

    expect([patient.status, hurried.status]).toEqual([200, 429])
    expect(tookMs).toBeGreaterThanOrEqual(990)
  })
})

describe('limits', () => {
  test('a host that does not answer is given up', async () => {
    const server = await serve(() => {})
    const { http } = client({ timeoutMs: 60, retries: 0 })

    expect(await codeOf(http(server.url))).toBe('DEPENDENCY_TIMEOUT')
  })

  test('so is one whose answer never ends', async () => {
    const server = await serve((_, response) => response.write('a'))
    const { http } = client({ timeoutMs: 60, retries: 0 })

    expect(await codeOf(http(server.url))).toBe('DEPENDENCY_TIMEOUT')
  })

  test('a request being served passes on what it has left', async () => {
    const server = await serve(() => {})
    const { http } = client({ timeoutMs: 60_000, totalTimeoutMs: 60_000 })
    const ask = (leftMs: number) =>
      runAs({ correlationId: undefined, trace: undefined, deadlineMs: performance.now() + leftMs }, () =>
        codeOf(http(server.url)),
      )

    expect(await ask(80)).toBe('DEPENDENCY_TIMEOUT')
    expect(await ask(-1)).toBe('REQUEST_TIMEOUT')
  })

  test('the caller may give it up', async () => {
    const server = await serve(() => {})
    const { http } = client()
    const gone = new AbortController()

    const asked = http(server.url, { signal: gone.signal }).catch((error: unknown) => error)
    await eventually(() => expect(server.requests).toHaveLength(1))
    gone.abort(new Error('enough'))

    expect(await asked).toEqual(new Error('enough'))
  })

  test.each([
    [
      'announced',
      (size: number) => ({ headers: { 'content-length': String(size) }, body: Buffer.alloc(size) }),
    ],
    [
      'compressed',
      (size: number) => ({ headers: { 'content-encoding': 'gzip' }, body: gzipSync(Buffer.alloc(size)) }),
    ],
    ['chunked', (size: number) => ({ headers: {}, body: Buffer.alloc(size) })],
  ])('an answer that is too large, %s, is refused', async (_, answerOf) => {
    const server = await serve((request, response) => {
      const { headers, body } = answerOf(request.url === '/fits' ? 10_000 : 1_000_000)
      response.writeHead(200, headers).end(body)
    })
    const { http } = client({ maxResponseBytes: 10_000, retries: 0 })

    expect(await codeOf(http(server.url))).toBe('DEPENDENCY_ANSWER_INVALID')
    expect((await (await http(`http://${server.host}/fits`)).bytes()).length).toBe(10_000)
  })

  test('a host gets so many requests at once; as many wait, the rest is refused', async () => {
    const held: (() => void)[] = []
    const server = await serve((_, response) => held.push(() => response.end()))
    const { http } = client({ concurrency: 2 })

    const outcomes = Array.from({ length: 6 }, () => codeOf(http(server.url)))
    await eventually(() => expect(held).toHaveLength(2))
    const refused = await Promise.all(outcomes.slice(4))
    const asked = server.requests.length
    for (const end of held.splice(0)) end()
    await eventually(() => expect(held).toHaveLength(2))
    for (const end of held) end()

    expect(refused).toEqual(['DEPENDENCY_BUSY', 'DEPENDENCY_BUSY'])
    expect(asked).toBe(2)
    expect(await Promise.all(outcomes.slice(0, 4))).toEqual(Array(4).fill('answered'))
  })

  test('a host that failed three times is not asked any more; others are', async () => {
    const away = await serve((_, response) => response.writeHead(503).end())
    const well = await serve((_, response) => response.end('well'))
    const { http, breakers } = client()

    await http(away.url)
    const code = await codeOf(http(away.url))

    expect([code, away.requests.length]).toEqual(['DEPENDENCY_UNAVAILABLE', 3])
    expect(await (await http(well.url)).text()).toBe('well')
    expect(await breakers.health()).toMatchObject({
      status: 'down',
      [`http ${away.host}`]: 'open',
      [`http ${well.host}`]: 'closed',
    })
  })
})

describe('a URL from outside', () => {
  test.each([
    'http://127.0.0.1/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://localhost/',
    'http://10.1.2.3/',
    'http://169.254.169.254/latest/meta-data',
    'http://[::1]/',
    'http://[::ffff:10.0.0.1]/',
    'http://[fd00::1]/',
    'http://[fe80::1]/',
    'file:///etc/passwd',
    'http://user:secret@example.com/',
  ])('%s is refused', async (url) => {
    const { http } = client({ urls: 'outside' })

    expect(await codeOf(http(url))).toBe('ADDRESS_REFUSED')
  })

  test('is called at the address that was checked, without a trace’s neighbours', async () => {
    const server = await serve((request, response) =>
      response.end(`${request.method} for ${request.headers.host}`),
    )
    const checked: string[] = []
    const fetch = publicFetch((address) => checked.push(address) > 0)
    const headers = { baggage: 'tenant=7', tracestate: 'a=b', traceparent: '00-1-2-01' }

    const answer = await fetch(`http://localhost:${server.port}/`, { method: 'POST', body: 'x', headers })

    expect(await answer.text()).toBe(`POST for localhost:${server.port}`)
    expect(checked).toContain('127.0.0.1')
    expect(server.requests[0]?.headers).toMatchObject({
      traceparent: '00-1-2-01',
      'accept-encoding': 'identity',
    })
    expect(server.requests[0]?.headers).not.toHaveProperty('baggage')
    expect(server.requests[0]?.headers).not.toHaveProperty('tracestate')
  })

  test('of a stranger’s host has no breaker that is told of', async () => {
    const { http, breakers } = client({ urls: 'outside' })

    await codeOf(http('http://127.0.0.1/'))

    expect(Object.keys(await breakers.health())).toEqual(['database', 'redis', 'status'])
  })

  test.each([
    ['8.8.8.8', true],
    ['2606:4700:4700::1111', true],
    ['172.32.0.1', true],
    ['172.31.0.1', false],
    ['100.64.0.1', false],
    ['224.0.0.1', false],
    ['255.255.255.255', false],
    ['64:ff9b::7f00:1', false],
    ['2002:7f00:1::', false],
    ['::ffff:8.8.8.8', false],
    ['localhost', false],
  ])('%s: public is %p', (address, expected) => {
    expect(isPublicAddress(address)).toBe(expected)
  })
})
