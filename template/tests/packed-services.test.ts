import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { freePort } from '@kiln/shared/embedded'
import { eventually } from '@kiln/shared/testing'
import { dataFolder } from '../../shared/development/settings.ts'
import { copyShared, edit, expectPacked, linkPackages, packShared, run } from './support/copies.ts'
import { addOrderContract, createMailer, createOrders } from './support/orders-and-mailer.ts'
import { startTwoServices } from './support/two-services.ts'

setDefaultTimeout(120_000)

/** An event that only this service knows, where its folder `shared` would have had it. */
function declareOwnEvent(service: string): void {
  for (const folder of ['src/contracts', 'contracts']) mkdirSync(join(service, folder))
  writeFileSync(
    join(service, 'src/contracts/invoice.ts'),
    `import { defineEvent } from '@kiln/shared/event'
import { Type } from '@sinclair/typebox'

export const InvoiceSent = defineEvent({
  name: 'invoice.sent',
  delivery: 'stream',
  versions: { 1: Type.Object({ invoice_id: Type.String() }) },
})
`,
  )
  writeFileSync(join(service, 'contracts/golden.json'), '{ "invoice.sent.v1": { "invoice_id": "i-1" } }')
  const events = join(service, 'src/infrastructure/events.ts')
  edit(events, 'createRegistry(contracts)', 'createRegistry([...contracts, InvoiceSent])')
  edit(
    events,
    'import { auditEvents }',
    "import { InvoiceSent } from '../contracts/invoice.ts'\nimport { auditEvents }",
  )
}

describe('two services that install the packed `shared`', () => {
  const root = mkdtempSync(join(tmpdir(), 'packed-services-'))
  const [orders, mailer] = [join(root, 'orders'), join(root, 'mailer')]
  let tarball: string
  let services: Awaited<ReturnType<typeof startTwoServices>> | undefined

  beforeAll(() => {
    copyShared(root)
    linkPackages(root)
    addOrderContract(join(root, 'shared'))
    tarball = packShared(join(root, 'shared'), 'npm')
    for (const [folder, create] of [
      [orders, createOrders],
      [mailer, createMailer],
    ] as const) {
      create(folder)
      edit(
        join(folder, 'package.json'),
        '"@kiln/shared": "workspace:*"',
        `"@kiln/shared": "file:../${basename(tarball)}"`,
      )
      rmSync(join(folder, 'shared'), { recursive: true })
      run(process.execPath, ['install', '--silent'], { cwd: folder })
    }
  })
  let dev: ChildProcess | undefined
  afterAll(async () => {
    dev?.kill('SIGINT')
    await services?.close()
    rmSync(root, { recursive: true, force: true })
  })

  test('packed by npm, it holds built files alone', () => expectPacked(tarball))

  test('one line is changed for it, and the check passes, with contracts of its own among them', () => {
    declareOwnEvent(orders)
    run('git', ['init', '--quiet'], { cwd: orders })
    const updated = run(process.execPath, ['scripts/contracts.ts', '--update'], { cwd: orders })
    run('node_modules/.bin/biome', ['check', '--write', 'src', 'contracts'], { cwd: orders })

    const said = run(process.execPath, ['scripts/check.ts'], { cwd: orders })

    expect(updated).toBe('every contract keeps its promise\n')
    expect(said.match(/^\w+/gm)?.filter((word) => word !== 'ok')).toEqual([])
    expect(readdirSync(join(orders, 'contracts/schemas'))).toEqual(['invoice.sent.v1.json'])
    expect(existsSync(join(orders, 'shared'))).toBe(false)
  })

  test('its tests run, and the service runs for its developer, by the tools of the package', async () => {
    const tests = ['./tests/src/modules/example.test.ts', './tests/e2e/delivery.test.ts']
    run(process.execPath, ['test', '--timeout', '20000', ...tests], { cwd: orders })
    const port = await freePort()
    const env = { PATH: process.env.PATH, HOME: root, SERVICE_PORT: String(port) }

    dev = spawn(process.execPath, ['scripts/dev.ts'], { cwd: orders, env })
    let output = ''
    dev.stdout?.on('data', (chunk) => {
      output += chunk
    })
    dev.stderr?.pipe(process.stderr)
    const ended = once(dev, 'exit')
    await eventually(() => expect(output).toContain('orders is ready'), { timeoutMs: 60_000 })
    const answer = await fetch(`http://localhost:${port}/api/my-endpoint`)
    dev.kill('SIGINT')

    expect(await ended).toEqual([0, null])
    expect(answer.status).toBe(200)
    expect(output).toContain('embedded PostgreSQL 18')
    rmSync(await dataFolder(orders, 'orders'), { recursive: true })
  })

  test('an order placed with the one program is confirmed by the other', async () => {
    for (const folder of [orders, mailer])
      run(process.execPath, ['scripts/build.ts', '--outfile=program'], { cwd: folder })
    services = await startTwoServices({ orders: join(orders, 'program'), mailer: join(mailer, 'program') })

    await services.order('o-1', { 'x-correlation-id': 'from-afar' })

    expect(await services.confirmed(['o-1'])).toEqual({ 'o-1': 'Ann Lee 1' })
    const [placed, mail] = await services.published()
    expect(placed).toMatchObject({ source: 'orders', correlationid: 'from-afar' })
    expect(mail).toMatchObject({ source: 'mailer', correlationid: 'from-afar', causationid: placed?.id })
    const { components } = JSON.parse(readFileSync(join(orders, 'program.cdx.json'), 'utf8'))
    expect(components).toContainEqual(expect.objectContaining({ name: '@kiln/shared', version: '1.0.0' }))
  })
})
