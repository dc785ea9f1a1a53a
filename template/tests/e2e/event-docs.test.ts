import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { type RunningService, startService } from '../../../tests/support/process.ts'

setDefaultTimeout(30_000)

let service: RunningService
beforeAll(async () => {
  service = await startService()
})
afterAll(() => service?.close())

test('the events are described for programs, the same by the command', async () => {
  const response = await fetch(`${service.url}/asyncapi.json`)
  const document = (await response.json()) as Record<string, unknown>

  const printed = await service.command(['asyncapi'])

  expect(response.headers.get('content-type')).toStartWith('application/json')
  expect(document).toMatchObject({ asyncapi: '3.0.0' })
  expect(JSON.parse(printed.stdout)).toEqual(document)
})

test('and for people, on a page that loads nothing but its style', async () => {
  const page = await fetch(`${service.url}/docs/events`)
  const style = await fetch(`${service.url}/docs/events.css`)

  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
  expect(await page.text()).toContain('<h3>user.created, version 2</h3>')
  expect(style.headers.get('content-type')).toStartWith('text/css')
})
