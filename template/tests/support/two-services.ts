import { expect } from 'bun:test'
import { eventually } from '../../../shared/testing/index.ts'
import { type RunningService, startService } from '../../../tests/support/process.ts'
import { createTestKeys } from '../../../tests/support/redis.ts'
import { startOtherService } from './other-service.ts'

type Program = string | readonly string[]

/** `orders` and `mailer` as processes with a database each, on the same events; whoever watches sees both. */
export async function startTwoServices(programs: { readonly orders: Program; readonly mailer: Program }) {
  const { prefix } = createTestKeys()
  const closing: (() => Promise<unknown>)[] = []
  const start = async (program: Program, env: Readonly<Record<string, string>> = {}) => {
    const service = await startService({ SERVICE_EVENTS_PREFIX: prefix, ...env }, ['serve', '--migrate'], {
      program,
    })
    closing.push(service.close)
    return service
  }
  const watcher = await startOtherService(prefix)
  closing.push(watcher.close)
  const running = { orders: await start(programs.orders), mailer: await start(programs.mailer) }
  const mails = async () =>
    (await watcher.publishedTo('notification')).filter(({ type }) => type === 'notification.send')
  return {
    running,
    /** All orders, then all mails, oldest first. */
    published: async () => [...(await watcher.publishedTo('order')), ...(await mails())],
    /** Places an order over HTTP. */
    async order(id: string, headers: Readonly<Record<string, string>> = {}): Promise<void> {
      const body = JSON.stringify({ order_id: id })
      const placed = await fetch(`${running.orders.url}/api/orders`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
      })
      expect([placed.status, await placed.json()]).toEqual([200, { order_id: id }])
    },
    /** The texts of all mails by order, once there is one for each of these. */
    confirmed: (ids: readonly string[]) =>
      eventually(async () => {
        const texts = (await mails()).map(({ data }) => JSON.parse(data).parameters)
        const byOrder = Object.fromEntries(texts.map(({ order_id, text }) => [order_id, text]))
        expect(Object.keys(byOrder).sort()).toEqual([...ids].sort())
        return byOrder
      }),
    /** Waits until the mailer's subscription stands so. */
    stands: (expected: Readonly<Record<string, number>>) =>
      eventually(async () => {
        const { stdout } = await running.mailer.command(['events', 'lag', '--json'])
        expect(JSON.parse(stdout)).toMatchObject([{ dead_letters: 0, ...expected }])
      }),
    /** An ordered stop, and a start of what the program is by now, on the same database. */
    async restart(name: keyof typeof running): Promise<void> {
      const { signal, ended, env }: RunningService = running[name]
      signal('SIGTERM')
      expect((await ended).exitCode).toBe(0)
      running[name] = await start(programs[name], { ...env, SERVICE_PORT: '0' })
    },
    async close(): Promise<void> {
      for (const close of closing.reverse()) await close()
    },
  }
}
