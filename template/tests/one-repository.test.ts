import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findStructureProblems } from '@kiln/shared/checks'
import { Glob } from 'bun'
import { copyShared, run, templateRoot } from './support/copies.ts'
import {
  addOrderContract,
  createMailer,
  createOrders,
  writeMailer,
  writeOrderContract,
  writeOrders,
} from './support/orders-and-mailer.ts'
import { startTwoServices } from './support/two-services.ts'

setDefaultTimeout(120_000)

describe('two services and one `shared` in one repository', () => {
  const root = mkdtempSync(join(tmpdir(), 'one-repository-'))
  const [shared, orders, mailer] = ['shared', 'services/orders', 'services/mailer'].map((folder) =>
    join(root, folder),
  ) as [string, string, string]
  let services: Awaited<ReturnType<typeof startTwoServices>>

  beforeAll(async () => {
    copyShared(root)
    addOrderContract(shared)
    createOrders(orders)
    createMailer(mailer)
    for (const service of [orders, mailer]) rmSync(join(service, 'bun.lock'))
    // What is locked already is not looked up again.
    cpSync(join(templateRoot, 'bun.lock'), join(root, 'bun.lock'))
    const manifest = { name: 'shop', private: true, workspaces: ['shared', 'services/*'] }
    writeFileSync(join(root, 'package.json'), JSON.stringify(manifest))
    run(process.execPath, ['install', '--silent', '--linker', 'hoisted'], { cwd: root })
    const bun = process.execPath
    services = await startTwoServices({
      orders: [bun, join(orders, 'src/main.ts')],
      mailer: [bun, join(mailer, 'src/main.ts')],
    })
  })
  afterAll(async () => {
    await services?.close()
    rmSync(root, { recursive: true, force: true })
  })

  test('have one lock, and list what each is made of', () => {
    const nested = [...new Glob('*/**/{bun.lock,.git}').scanSync({ cwd: root, dot: true })]

    const program = run(process.execPath, ['scripts/build.ts', '--outfile=program'], { cwd: orders })

    expect(nested.filter((file) => !file.includes('node_modules'))).toEqual([])
    expect(program).toContain('program: ')
  })

  test('hold each other to the contract, and keep the structure', () => {
    const include = ['services/orders/src/modules/orders', 'services/mailer/src/consumers.ts']
    const tsconfig = { extends: './services/orders/tsconfig.json', include }
    writeFileSync(join(root, 'tsconfig.json'), JSON.stringify(tsconfig))

    const said = run(join(root, 'node_modules/.bin/tsc'), ['--noEmit'], { cwd: root })

    expect(said).toBe('')
    for (const folder of [orders, mailer]) expect(findStructureProblems(folder)).toEqual([])
  })

  test('an order placed with the one is confirmed by the other, under one correlation id and trace', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

    await services.order('o-1', { traceparent, 'x-correlation-id': 'from-afar' })

    expect(await services.confirmed(['o-1'])).toEqual({ 'o-1': 'Ann Lee 1' })
    const [placed, mail] = await services.published()
    expect(placed).toMatchObject({ source: 'orders', type: 'order.placed', correlationid: 'from-afar' })
    expect(mail).toMatchObject({
      source: 'mailer',
      type: 'notification.send',
      correlationid: 'from-afar',
      causationid: placed?.id,
      traceparent: expect.stringContaining('0af7651916cd43dd8448eb211c80319c'),
    })
  })

  test('a second version goes out with the producer first: it waits for the consumer, and is read right', async () => {
    writeOrderContract(shared, 2)
    writeOrders(orders, 2)
    await services.restart('orders')
    await services.order('o-2')
    await services.stands({ parked: 1, pending: 0 })
    writeMailer(mailer, 2)

    await services.restart('mailer')

    const texts = await services.confirmed(['o-1', 'o-2'])
    expect(texts).toEqual({ 'o-1': 'Ann Lee 1', 'o-2': 'Ann Lee 2' })
    await services.stands({ parked: 0, pending: 0, lag: 0 })
  })

  test('a third version goes out with the consumer first: it is given what the producer did not send yet', async () => {
    writeOrderContract(shared, 3)
    writeMailer(mailer, 3)
    await services.restart('mailer')
    await services.order('o-3')
    await services.confirmed(['o-1', 'o-2', 'o-3'])
    writeOrders(orders, 3)
    await services.restart('orders')

    await services.order('o-4')

    const texts = await services.confirmed(['o-1', 'o-2', 'o-3', 'o-4'])
    expect(texts).toMatchObject({ 'o-3': 'Ann Lee EUR', 'o-4': 'Ann Lee USD' })
    await services.stands({ parked: 0, pending: 0, lag: 0 })
  })
})
