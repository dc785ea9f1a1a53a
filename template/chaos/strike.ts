import { type Fault, lossKinds } from './faults.ts'
import type { Postgres } from './postgres.ts'
import type { Role, Slot } from './processes.ts'
import type { RedisPair } from './redis.ts'
import type { Loss } from './verdict.ts'

/** So many faults last at the same time, at most: the others wait, and writing goes on for them. */
const maxAtOnce = 4

/** At most so many bytes are cut off: less than what is written in the minute in which lost events are looked for. */
const maxTailBytes = 200_000

/** What faults can be done to. */
export interface World {
  readonly slots: Readonly<Record<Role, readonly Slot[]>>
  readonly postgres: Postgres
  readonly redis: RedisPair
}

interface Strike {
  /** What the fault has for itself while it lasts; faults to the same thing follow each other. */
  readonly resource: string
  /** Does it; gives what there is to say about it. */
  readonly run: () => Promise<string>
}

/** Does the faults that are due, each beside what else happens, until it is asked for their end. */
export class Striker {
  readonly #world: World
  readonly #note: (text: string) => void
  readonly #queues = new Map<string, Promise<void>>()
  readonly #waiting: Fault[]
  #running = 0
  #writes = 0
  readonly counts = new Map<string, number>()
  /** Faults that could not be done to their end: a process that does not start again, for example. */
  failed = 0
  /** When the event server lost what it had acknowledged. */
  readonly losses: Loss[] = []

  constructor(world: World, faults: readonly Fault[], note: (text: string) => void) {
    this.#world = world
    this.#note = note
    this.#waiting = [...faults]
  }

  /** Whether every fault has begun. */
  get exhausted(): boolean {
    return this.#waiting.length === 0
  }

  /** So many writes have been answered. */
  reached(writes: number): void {
    this.#writes = writes
    while (this.#running < maxAtOnce && this.#waiting[0] !== undefined && this.#waiting[0].atWrite <= writes)
      this.#begin(this.#waiting.shift() as Fault)
  }

  /** Resolves when every fault that was begun is over. */
  async settled(): Promise<void> {
    await Promise.all(this.#queues.values())
  }

  #begin(fault: Fault): void {
    const { resource, run } = strikeOf(fault, this.#world)
    const before = this.#queues.get(resource) ?? Promise.resolve()
    this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1)
    this.#running += 1
    const name = `fault ${fault.number}, ${fault.kind}, ${resource}`
    this.#queues.set(
      resource,
      before.then(async () => {
        this.#note(`${name}: begins`)
        const fromMs = Date.now()
        const said = await run().catch((error: unknown) => {
          this.failed += 1
          return `FAILED ${error}`
        })
        this.#note(`${name}: over ${said}`)
        if (lossKinds.includes(fault.kind)) this.losses.push({ fromMs, toMs: Date.now() })
        this.#running -= 1
        this.reached(this.#writes)
      }),
    )
  }
}

function strikeOf({ kind, target, durationMs, size }: Fault, world: World): Strike {
  const { postgres, redis } = world
  const slots = (role: Role) => world.slots[role]
  const one = (of: readonly Slot[]) => of[target % of.length] as Slot
  const onSlot = (slot: Slot, run: () => Promise<unknown>): Strike => ({
    resource: slot.name,
    run: async () => String((await run()) ?? ''),
  })
  const onLink = (server: 'redis' | 'postgres', what: 'cut' | 'delay' | 'halfOpen'): Strike => {
    const slot = one(Object.values(world.slots).flat())
    const link = slot[server]
    const byMs = 20 + Math.round(size * 280)
    const run = () => (what === 'delay' ? link.delay(byMs, durationMs * 2) : link[what](durationMs))
    return { resource: link.name, run: async () => String((await run()) ?? `after ${durationMs} ms`) }
  }
  const onRedis = (run: () => Promise<unknown>): Strike => ({
    resource: 'redis',
    run: async () => String((await run()) ?? ''),
  })
  const onPostgres = (run: () => Promise<unknown>): Strike => ({
    resource: 'postgres',
    run: async () => String((await run()) ?? ''),
  })
  const kill = (role: Role) => {
    const slot = one(slots(role))
    return onSlot(slot, () => slot.kill())
  }
  const freeze = (role: Role) => {
    const slot = one(slots(role))
    return onSlot(slot, () => slot.freeze(durationMs))
  }
  const rollOut = (role: Role) => {
    const slot = one(slots(role))
    return onSlot(slot, async () => `exit code ${await slot.rollOut()}`)
  }
  switch (kind) {
    case 'kill consumer':
      return kill('consumer')
    case 'kill relay':
      return kill('relay')
    case 'kill http':
      return kill('http')
    case 'freeze consumer':
      return freeze('consumer')
    case 'freeze relay':
      return freeze('relay')
    case 'roll out http':
      return rollOut('http')
    case 'roll out relay':
      return rollOut('relay')
    case 'roll out consumer':
      return rollOut('consumer')
    case 'cut link to redis':
      return onLink('redis', 'cut')
    case 'cut reply of redis': {
      const { redis: link } = one(slots('consumer'))
      const run = async () => ((await link.cutReply(durationMs)) ? 'in its middle' : 'none came')
      return { resource: link.name, run }
    }
    case 'cut link to postgres':
      return onLink('postgres', 'cut')
    case 'delay link to redis':
      return onLink('redis', 'delay')
    case 'delay link to postgres':
      return onLink('postgres', 'delay')
    case 'half-open link to redis':
      return onLink('redis', 'halfOpen')
    case 'half-open link to postgres':
      return onLink('postgres', 'halfOpen')
    case 'kill redis':
      return onRedis(() => redis.crash())
    case 'freeze redis':
      return onRedis(() => redis.freeze(durationMs))
    case 'cut tail of redis file':
      return onRedis(async () => {
        const bytes = 1 + Math.round(size ** 3 * maxTailBytes)
        const where = target % 2 === 0 ? 'anywhere' : 'between commands'
        return `${await redis.cutTail(bytes, where)} bytes, ${where}`
      })
    case 'empty redis':
      return onRedis(() => redis.empty())
    case 'promote lagging replica':
      return onRedis(async () => {
        const links = Object.values(world.slots).flatMap((each) => each.map((slot) => slot.redis))
        await redis.failOver(durationMs, () => {
          for (const link of links) link.reset()
        })
        return `lagging ${durationMs} ms`
      })
    case 'terminate connections':
      return onPostgres(async () => {
        const name = target % 2 === 0 ? 'service' : 'consumer'
        return `${await postgres.terminateConnections(name)} of the ${name}`
      })
    case 'restart postgres':
      return onPostgres(() => postgres.restart())
  }
}
