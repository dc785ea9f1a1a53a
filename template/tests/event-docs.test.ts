import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { type RunningService, startService } from '../../tests/support/process.ts'
import { violations } from './support/accessibility.ts'
import { startBrowser } from './support/browser.ts'

setDefaultTimeout(120_000)

let service: RunningService
let browser: Awaited<ReturnType<typeof startBrowser>>
beforeAll(async () => {
  service = await startService()
  browser = await startBrowser()
})
afterAll(async () => {
  await browser?.close()
  await service?.close()
})

const openPage = (width: number) => browser.open(`${service.url}/docs/events`, width)

test('the page of events shows every channel and message, complains of nothing, and asks only this host', async () => {
  const { page, complaints, hosts } = await openPage(1200)
  const document = await (await fetch(`${service.url}/asyncapi.json`)).json()

  const channels = await page.locator('section[id]').evaluateAll((found) => found.map(({ id }) => id))
  const messages = await page.locator('article').evaluateAll((found) => found.map(({ id }) => id))
  const broken = await page
    .locator('a[href^="#"]')
    .evaluateAll((links) =>
      links
        .map((link) => link.getAttribute('href')?.slice(1) ?? '')
        .filter((id) => !window.document.getElementById(id)),
    )

  expect(channels).toEqual(Object.keys(document.channels))
  expect(messages.toSorted()).toEqual(Object.keys(document.components.messages).toSorted())
  expect(broken).toEqual([])
  expect(complaints).toEqual([])
  expect([...hosts]).toEqual([new URL(service.url).host])
  await page.close()
})

test('it can be read on a phone', async () => {
  const { page } = await openPage(360)

  await page.locator('summary').first().click()
  const overflow = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  )

  expect(overflow).toBe(0)
  await page.close()
})

test.each(['light', 'dark'] as const)('it passes axe when it is %s', async (colorScheme) => {
  const { page } = await openPage(1200)

  await page.emulateMedia({ colorScheme })
  await page.locator('summary').first().click()

  expect(await violations(page)).toEqual([])
  await page.close()
})
