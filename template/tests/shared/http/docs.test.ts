import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createTestService, type TestService } from '../../../../tests/support/service.ts'

let service: TestService
beforeAll(async () => {
  service = await createTestService()
})
afterAll(() => service.close())

describe('the documentation', () => {
  test('is a page that loads from this host alone', async () => {
    const { status, headers, body } = await service.call('GET', '/docs')

    const loaded = [...String(body).matchAll(/(?:src|href)="([^"]*)"/g)].map(([, url]) => url)
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(headers.get('content-security-policy')).toContain("script-src 'self';")
    expect(headers.get('content-security-policy')).not.toContain('unsafe')
    expect(headers.get('x-frame-options')).toBe('DENY')
    expect(loaded.filter((url) => !url?.startsWith('/docs/') && url !== 'data:,')).toEqual([])
    expect(String(body)).not.toMatch(/<script>|style="/)
  })

  test.each([
    ['/docs/swagger-ui.js', 'text/javascript; charset=utf-8', 'SwaggerUIBundle'],
    ['/docs/swagger-ui.css', 'text/css; charset=utf-8', '.swagger-ui'],
    ['/docs/page.js', 'text/javascript; charset=utf-8', '/docs/json'],
    ['/docs/page.css', 'text/css; charset=utf-8', 'body'],
  ])('%s is there, and is not sent twice', async (path, type, content) => {
    const first = await service.call<string>('GET', path)
    const etag = first.headers.get('etag') ?? ''
    const again = await service.call('GET', path, { headers: { 'if-none-match': `W/${etag}, "other"` } })

    expect(first.status).toBe(200)
    expect(first.headers.get('content-type')).toBe(type)
    expect(first.headers.get('cache-control')).toBe('public, max-age=3600')
    expect(first.body).toContain(content)
    expect(again.status).toBe(304)
    expect(again.body as unknown).toBe('')
    expect(again.headers.get('etag')).toBe(etag)
  })

  test.each([
    ['gzip, br', 'gzip'],
    ['br;q=1, gzip;q=0.5', 'gzip'],
    ['gzip;q=0, br', null],
    ['identity', null],
  ])('to Accept-Encoding %s it is sent as %s', async (accepted, encoding) => {
    const url = 'http://localhost/docs/swagger-ui.css'

    const response = await service.app.handle(new Request(url, { headers: { 'accept-encoding': accepted } }))
    const bytes = await response.bytes()

    const text = encoding ? Bun.gunzipSync(bytes) : bytes
    expect(response.headers.get('content-encoding')).toBe(encoding)
    expect(response.headers.get('vary')).toBe('Accept-Encoding')
    expect(new TextDecoder().decode(text)).toContain('.swagger-ui')
  })

  test('is not there when it is switched off', async () => {
    const without = await createTestService({ SERVICE_DOCS_ENABLED: 'false' })

    const answers = await Promise.all(
      ['/docs', '/docs/json', '/docs/swagger-ui.js', '/docs/events', '/asyncapi.json'].map((path) =>
        without.call('GET', path),
      ),
    )
    await without.close()

    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404])
  })
})
