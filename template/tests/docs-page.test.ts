import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import type { Page } from 'playwright-core'
import { type RunningService, startService } from '../../tests/support/process.ts'
import { violations } from './support/accessibility.ts'
import { startBrowser } from './support/browser.ts'

setDefaultTimeout(120_000)

const email = 'admin@example.com'
const password = 'correct horse battery'

let service: RunningService
let browser: Awaited<ReturnType<typeof startBrowser>>
beforeAll(async () => {
  service = await startService()
  await service.command(['users', 'create', '--email', email, '--role', 'admin', '--password-stdin'], {
    input: password,
  })
  browser = await startBrowser()
})
afterAll(async () => {
  await browser?.close()
  await service?.close()
})

const openDocs = async (width = 1200) => {
  const opened = await browser.open(`${service.url}/docs`, width)
  await opened.page.waitForSelector('.opblock-summary-path')
  return opened
}

/** Calls an operation as a reader does, and gives what the page shows of the answer. */
async function tryIt(page: Page, tag: string, summary: string, body?: unknown) {
  const block = page.locator(`#operations-${tag}-${summary}`)
  await block.locator('.opblock-summary-control').click()
  await block.locator('.try-out__btn').click()
  if (body !== undefined) await block.locator('textarea').fill(JSON.stringify(body))
  await block.locator('.execute').click()
  const answer = block.locator('.live-responses-table .response')
  await answer.waitFor()
  const status = await answer.locator('.response-col_status').textContent()
  const text = await answer.locator('.highlight-code code').first().textContent()
  return { status: Number.parseInt(status ?? '', 10), body: JSON.parse(text ?? '') }
}

describe('the documentation in a browser that reaches nobody else', () => {
  test('shows every operation, complains of nothing, and asks only this host', async () => {
    const { page, complaints, hosts } = await openDocs()
    const { paths } = (await (await fetch(`${service.url}/docs/json`)).json()) as { paths: object }

    const operations = Object.values(paths).flatMap((methods) => Object.keys(methods as object))
    const shown = await page.locator('.opblock').count()

    expect(shown).toBe(operations.length)
    expect(complaints).toEqual([])
    expect([...hosts]).toEqual([new URL(service.url).host])
    await page.close()
  })

  test('lets its reader log in and call what asks for a token', async () => {
    const { page, complaints, hosts } = await openDocs()

    const login = await tryIt(page, 'auth', 'postApiAuthLogin', { email, password })
    await page.locator('.auth-wrapper .authorize').first().click()
    await page.locator('.modal-ux input').fill(login.body.access_token)
    await page.locator('.modal-ux .authorize').click()
    await page.locator('.modal-ux .btn-done').click()
    const me = await tryIt(page, 'auth', 'getApiAuthMe')

    expect(login.status).toBe(200)
    expect(me.status).toBe(200)
    expect(me.body).toMatchObject({ email, role: 'admin' })
    expect(complaints).toEqual([])
    expect([...hosts]).toEqual([new URL(service.url).host])
    await page.close()
  })

  test('can be read on a phone', async () => {
    const { page } = await openDocs(360)
    const summary = page.locator('.opblock-summary-control').first()

    await summary.click()
    const sizes = await page.evaluate(() => ({
      overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      small: [...document.querySelectorAll('.opblock-summary-path, .opblock-summary-description, p')].filter(
        (element) => Number.parseFloat(getComputedStyle(element).fontSize) < 12,
      ).length,
    }))

    expect(sizes).toEqual({ overflow: 0, small: 0 })
    await page.close()
  })

  test.each([1200, 360])('passes axe at a width of %d, closed, open and in its dialog', async (width) => {
    const { page } = await openDocs(width)

    const closed = await violations(page)
    await page.locator('#operations-auth-postApiAuthLogin .opblock-summary-control').click()
    await page.locator('#operations-auth-postApiAuthLogin .try-out__btn').click()
    const open = await violations(page)
    await page.locator('.auth-wrapper .authorize').first().click()
    const dialog = await violations(page)

    expect([closed, open, dialog]).toEqual([[], [], []])
    await page.close()
  })
})
