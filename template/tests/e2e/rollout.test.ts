import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '@kiln/shared/testing'
import { type RunningService, startService } from '../../../tests/support/process.ts'
import { hasRedis } from '../../../tests/support/redis.ts'
import { buildPatched, type Patch } from '../support/patched-build.ts'
import { startWithAdmin } from '../support/start-with-admin.ts'

setDefaultTimeout(120_000)

interface Greeting {
  readonly user_id: number
  readonly parameters: { readonly name: string; readonly version: string }
}

/** Every release greets new users, so that it is seen who was handled, in which version and by whom. */
const greets = (name: string, version: number): readonly Patch[] => [
  {
    file: 'src/consumers.ts',
    replace: /import \{ notifyApplicants \}.*\n/,
    by: `import { NotificationSend } from '@kiln/shared/contracts/notification'
import { UserCreated } from '@kiln/shared/contracts/user'\n`,
  },
  {
    file: 'src/consumers.ts',
    replace: / {2}notifyApplicants,\n/,
    by: `  (events) => events.subscribe(UserCreated, { name: 'welcome' }, async ({ id, data }) => {
    const parameters = { name: ${name}, version: '${version}' }
    const greeting = { notification_id: id, user_id: data.user_id, channel: 'email', template: 'welcome', parameters }
    await events.publish(NotificationSend, greeting, { id: id + '.welcome' })
  }),\n`,
  },
]

/** The release before version 2 of user.created was thought of. */
const withoutVersion2: readonly Patch[] = [
  {
    file: 'shared/events/contracts/user.ts',
    replace: /versions: \{ 1: UserCreatedV1, 2: UserCreatedV2 \},/,
    by: 'versions: { 1: UserCreatedV1 },',
  },
  { file: 'shared/events/contracts/user.ts', replace: / {2}upcast: \{[\s\S]*?\n {2}\},\n/, by: '' },
  { file: 'shared/events/contracts/user.ts', replace: / {2}downcast: \{[\s\S]*?\n {2}\},\n/, by: '' },
  {
    file: 'src/modules/users/events.ts',
    replace: / {4}full_name: .*\n/,
    by: '    first_name: user.first_name,\n',
  },
  { file: 'src/modules/users/events.ts', replace: / {4}metadata: \{\},\n/, by: '' },
]

describe.skipIf(!hasRedis)('a rolling deploy from version 1 of an event to version 2', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rollout-'))
  let [old, fresh] = ['', '']
  const closing: (() => Promise<unknown>)[] = []
  beforeAll(async () => {
    ;[old, fresh] = await Promise.all([
      buildPatched(join(folder, 'old'), [...withoutVersion2, ...greets('data.first_name', 1)]),
      buildPatched(join(folder, 'fresh'), greets('data.full_name', 2)),
    ])
  })
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  /** The whole deployment: the service's first process, and another service on its events. */
  async function deploy() {
    const first = await startWithAdmin({}, ['serve', '--migrate'], { program: old })
    closing.push(first.close, first.other.close)
    const { SERVICE_DATABASE_URL: _, ...shared } = first.env
    const theirs = { ...shared, SERVICE_PORT: '0', SERVICE_SERVICE_NAME: 'their-service' }
    const their = await startService(theirs, ['serve', '--migrate'], { program: old })
    closing.push(their.close)
    const users: number[] = []
    const greetings = async (source: string) =>
      (await first.other.publishedTo('notification'))
        .filter((event) => event.source === source)
        .map(({ data }) => JSON.parse(data) as Greeting)
    return {
      first,
      their,
      users,
      /** Another process of a service that runs already, in another release or with other settings. */
      async start(program: string, { env } = first as Pick<RunningService, 'env'>, args = ['serve']) {
        const service = await startService({ ...env, SERVICE_PORT: '0' }, args, { program })
        closing.push(service.close)
        return service
      },
      async stop(service: Pick<RunningService, 'signal' | 'ended'>) {
        service.signal('SIGTERM')
        expect((await service.ended).exitCode).toBe(0)
      },
      /** Ten users, by one process. */
      async createUsers({ url }: Pick<RunningService, 'url'>) {
        for (let count = 0; count < 10; count++) {
          const created = await fetch(`${url}/api/users`, {
            method: 'POST',
            headers: { 'content-type': 'application/json', authorization: `Bearer ${first.token}` },
            body: JSON.stringify({ first_name: 'Ann', last_name: 'Lee' }),
          })
          users.push(((await created.json()) as { id: number }).id)
        }
      },
      greetings,
      /** Every user so far was greeted by that service. */
      allGreeted: (source: string) =>
        eventually(async () => {
          const greeted = new Set((await greetings(source)).map(({ user_id }) => user_id))
          expect(users.filter((id) => !greeted.has(id))).toEqual([])
        }),
      /** Waits until the subscription that a process belongs to stands so. */
      stands: (service: Pick<RunningService, 'command'>, expected: Readonly<Record<string, number>>) =>
        eventually(async () => {
          const { stdout } = await service.command(['events', 'lag', '--json'])
          expect(JSON.parse(stdout)).toMatchObject([{ ...expected, dead_letters: 0 }])
        }),
    }
  }

  test('in one group, beside a service still on version 1, loses nothing and buries nothing', async () => {
    const { first, their, users, start, stop, createUsers, ...seen } = await deploy()
    const second = await start(old)
    await createUsers(first)

    // The new release takes over while it still publishes version 1.
    const heldBack = await start(fresh, { env: { ...first.env, SERVICE_EVENTS_PUBLISH: 'user.created=1' } })
    await stop(first)
    await createUsers(heldBack)
    await stop(heldBack)
    // Released, while only the old release consumes: it parks what it cannot read.
    const released = await start(fresh, first, ['serve', '--roles', 'http'])
    await createUsers(released)
    await seen.stands(second, { parked: 10 })
    // Both in one group; then the old one goes, and what it parked meanwhile waits for whoever comes next.
    const beside = await start(fresh)
    await seen.allGreeted('example-service')
    await createUsers(beside)
    await stop(second)
    await stop(beside)
    const last = await start(fresh)
    await seen.stands(their, { parked: 20 })
    await stop(their)
    const theirLast = await start(fresh, their)

    await seen.allGreeted('example-service')
    await seen.allGreeted('their-service')
    for (const service of [last, theirLast])
      await seen.stands(service, { lag: 0, pending: 0, due: 0, parked: 0 })
    const keys = new Set(users.map((id) => `user/${id}`))
    const published = (await first.other.publishedTo('user')).filter(({ partitionkey = '' }) =>
      keys.has(partitionkey),
    )
    expect(published.map(({ dataversion }) => dataversion)).toEqual(users.map((_, at) => (at < 20 ? 1 : 2)))
    for (const source of ['example-service', 'their-service']) {
      const newer = (await seen.greetings(source)).filter(({ user_id }) => users.indexOf(user_id) >= 20)
      expect(new Set(newer.map(({ parameters: { name, version } }) => `${name} ${version}`))).toEqual(
        new Set(['Ann Lee 2']),
      )
    }
  })
})
