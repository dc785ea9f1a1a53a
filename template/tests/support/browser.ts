import { existsSync } from 'node:fs'
import { chromium, type Page } from 'playwright-core'

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** What a page did that it should not have. */
export interface Misdeeds {
  /** Errors and warnings of the console, exceptions and violations of its policy. */
  readonly complaints: string[]
  /** The hosts that it asked for something. */
  readonly hosts: Set<string>
}

/** A real browser that reaches nobody but this machine. Debian's package is `chromium`. */
export async function startBrowser() {
  const executablePath = places.find(existsSync)
  if (executablePath === undefined) throw new Error('no browser: apt-get install chromium')
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
  })
  return {
    async open(url: string, width: number): Promise<{ page: Page } & Misdeeds> {
      const page = await browser.newPage({ viewport: { width, height: 800 } })
      const complaints: string[] = []
      const hosts = new Set<string>()
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
      })
      page.on('pageerror', (error) => complaints.push(String(error)))
      page.on('request', (request) => {
        const { protocol, host } = new URL(request.url())
        if (protocol !== 'data:') hosts.add(host)
      })
      await page.goto(url)
      return { page, complaints, hosts }
    },
    close: () => browser.close(),
  }
}
