import { originOf } from '../entry.ts'
import { compareIds } from '../entry-id.ts'
import { type Entry, type GroupMember, type Move, type MoveOutcome, NOTE } from '../transport.ts'
import { GroupReader } from './group-reader.ts'
import * as groups from './group-scripts.ts'
import * as holding from './holding-scripts.ts'
import { aliveKey, behindKey, type GroupKeys, groupKeys } from './keys.ts'
import type { MemberOptions } from './member-options.ts'
import { groupPosition } from './position.ts'
import { Recovery } from './recovery.ts'
import { runScript, type Script } from './run-script.ts'
import * as scripts from './scripts.ts'

const BRING_BACK_LIMIT = 100
const UNPARK_LIMIT = 100
const QUIET_MS = 60_000

/** One process in one group on one stream of Redis; its two streams are the domain's and the group's own. */
export class RedisMember implements GroupMember {
  readonly #options: MemberOptions
  readonly #keys: GroupKeys
  readonly #reader: GroupReader
  readonly #recovery: Recovery
  #leadsUntilMs = 0
  #leadRenewAtMs = 0
  #lastRead: string | undefined

  constructor(options: MemberOptions) {
    this.#options = options
    this.#keys = groupKeys(options.prefix, options.tag, options.group)
    this.#reader = new GroupReader(options, this.#keys)
    this.#recovery = new Recovery(options, this.#keys)
  }

  get consumer(): string {
    return this.#options.consumer
  }

  get leading(): boolean {
    return !this.#options.ordered || performance.now() < this.#leadsUntilMs
  }

  /** Creates what is missing and says that this process lives. */
  async enter(): Promise<void> {
    await this.#reader.ensureGroups()
    await this.#sayAlive()
    const { commands, group, consumer, until } = this.#options
    // Redis 7.0 lists a consumer only from its first delivery on.
    if (until === undefined) await commands.xgroup('CREATECONSUMER', this.#keys.stream, group, consumer)
  }

  async lead(): Promise<boolean> {
    const { ordered, leaseMs, consumer } = this.#options
    if (!ordered) return true
    const at = performance.now()
    if (at < this.#leadRenewAtMs && this.leading) return true
    const led = this.leading
    const leads = (await this.#run(groups.LEAD, [this.#keys.leader], [consumer, leaseMs])) === 1
    this.#leadsUntilMs = leads ? at + leaseMs * 0.8 : 0
    this.#leadRenewAtMs = at + leaseMs / 3
    if (leads && !led) {
      this.#recovery.takeAll()
      this.#lastRead = undefined
    }
    return leads
  }

  read(maxCount: number, source: 'all' | 'again'): Promise<readonly Entry[]> {
    return this.#reader.read(maxCount, source)
  }

  async overtaken(entries: readonly Entry[], busy: ReadonlyMap<string, unknown>): Promise<readonly Entry[]> {
    const fresh = entries.filter(({ again }) => !again)
    const [first] = fresh
    if (!this.#options.ordered || first === undefined) return []
    const taken = await this.#recovery.between(this.#lastRead, first.id, busy)
    this.#lastRead = fresh.at(-1)?.id
    return taken
  }

  recover(busy: ReadonlyMap<string, unknown>, maxCount: number) {
    return this.#reader.healing(() => this.#recovery.recover(busy, maxCount))
  }

  async begin(entry: Entry): Promise<boolean> {
    return (await this.#run(holding.BEGIN, [this.#source(entry)], [...this.#me, entry.id])) === 1
  }

  async ack(entries: readonly Entry[]): Promise<void> {
    const { commands, group } = this.#options
    const fresh: string[] = []
    const again: string[] = []
    for (const entry of entries) (entry.again ? again : fresh).push(entry.id)
    const sent: Promise<unknown>[] = []
    if (fresh.length > 0) sent.push(commands.xack(this.#keys.stream, group, ...fresh))
    if (again.length > 0) {
      sent.push(commands.xack(this.#keys.again, group, ...again), commands.xdel(this.#keys.again, ...again))
    }
    await Promise.all(sent)
  }

  async move(entry: Entry, move: Move): Promise<MoveOutcome> {
    const { to, delayMs = 0, key = '', keyThen = '' } = move
    const keys = this.#keys
    const dead = groupKeys(
      this.#options.prefix,
      this.#options.tag,
      this.#options.deadLettersOf ?? this.#options.group,
    ).dead
    const destination = { due: keys.due, dead, parked: keys.parked }[to]
    const held = key === '' ? {} : { [NOTE.key]: key }
    const replay = this.#options.until === undefined ? {} : { [NOTE.replay]: this.#options.group }
    const notes = Object.entries({ ...move.notes, [NOTE.consumer]: this.consumer, ...replay, ...held }).flat()
    const run = (copy: string) =>
      this.#run(
        scripts.MOVE,
        [this.#source(entry), destination, keys.held, behindKey(keys, key), keys.again],
        [...this.#me, entry.id, to, delayMs, key, key === '' ? '' : keyThen, copy, ...notes],
      )
    const outcome = await run('')
    // Trimmed while pending: what was read is all that is left of it.
    return (
      outcome === 'deleted' ? await run(JSON.stringify(Object.entries(entry.fields).flat())) : outcome
    ) as MoveOutcome
  }

  async release(entry: Entry, key: string): Promise<{ readonly held: boolean }> {
    const { held, again } = this.#keys
    const keys = [this.#source(entry), held, behindKey(this.#keys, key), again]
    return {
      held: (await this.#run(scripts.RELEASE, keys, [...this.#me, entry.id, key, originOf(entry)])) === 1,
    }
  }

  async queueBehind(entry: Entry, key: string): Promise<'queued' | 'free' | 'full' | 'lost'> {
    const keys = [this.#source(entry), this.#keys.held, behindKey(this.#keys, key)]
    const place = await this.#run(scripts.QUEUE_BEHIND, keys, [
      ...this.#me,
      entry.id,
      key,
      this.#options.maxBehind,
    ])
    return place as 'queued' | 'free' | 'full' | 'lost'
  }

  async heldKeys(): Promise<ReadonlySet<string>> {
    return new Set(this.#options.ordered ? await this.#options.commands.hkeys(this.#keys.held) : [])
  }

  async keepAlive(entries: readonly Entry[]): Promise<readonly string[]> {
    await this.#sayAlive()
    const lost = await this.#perStream(entries, holding.KEEP_ALIVE)
    return [...lost.fresh, ...lost.again.map((id) => `again:${id}`)]
  }

  async handBack(entries: readonly Entry[]): Promise<void> {
    await this.#perStream(entries, holding.HAND_BACK)
  }

  async bringBack(): Promise<number> {
    const { due, again } = this.#keys
    const nextMs = Number(await this.#run(scripts.BRING_BACK, [due, again], [BRING_BACK_LIMIT]))
    return nextMs < 0 ? QUIET_MS : nextMs
  }

  async unpark(known: ReadonlyMap<string, number>): Promise<boolean> {
    if (!this.leading) return false
    const { parked, again } = this.#keys
    const versions = [...known].flat()
    let total = 0
    for (let from = '0-0'; from !== ''; ) {
      const args = [from, UNPARK_LIMIT, ...this.#me, ...versions]
      const [last, taken] = (await this.#run(scripts.UNPARK, [parked, again], args)) as [string, number]
      from = last
      total += taken
    }
    return total > 0
  }

  async mark(): Promise<string> {
    const { commands, group } = this.#options
    return (await groupPosition(commands, this.#keys.stream, group)).mark
  }

  async finished(): Promise<boolean> {
    const { commands, group, until = '' } = this.#options
    const { stream, again, due } = this.#keys
    const at = await groupPosition(commands, stream, group)
    if (at.pending > 0) return false
    const more =
      compareIds(at.lastDelivered, until) < 0
        ? await commands.xrange(stream, `(${at.lastDelivered}`, until, 'COUNT', 1)
        : []
    return more.length === 0 && (await commands.zcard(due)) === 0 && (await commands.xlen(again)) === 0
  }

  async leave(): Promise<void> {
    await this.#reader.close()
    const { commands, ordered } = this.#options
    const { stream, again, leader } = this.#keys
    const { entries } = await this.#recovery.own(new Map(), 1000)
    // Nobody knows of these: their reply was cut off by closing the reading connection.
    if (!ordered) await this.handBack(entries)
    for (const source of [stream, again]) await this.#run(holding.REMOVE_CONSUMER, [source], this.#me)
    if (ordered) await this.#run(groups.RESIGN, [leader], [this.consumer])
    await commands.del(aliveKey(this.#keys, this.#options.group, this.consumer))
  }

  get #me(): readonly [string, string] {
    return [this.#options.group, this.#options.consumer]
  }

  #source(entry: Entry): string {
    return entry.again ? this.#keys.again : this.#keys.stream
  }

  async #sayAlive(): Promise<void> {
    const { commands, group, keepAliveMs, consumer } = this.#options
    await commands.set(aliveKey(this.#keys, group, consumer), '1', 'PX', keepAliveMs * 3)
  }

  async #perStream(entries: readonly Entry[], run: Script) {
    const of = async (source: string, ids: readonly string[]) =>
      ids.length === 0 ? [] : ((await this.#run(run, [source], [...this.#me, ...ids])) as string[])
    const ids = (again: boolean) => entries.filter((entry) => entry.again === again).map(({ id }) => id)
    return { fresh: await of(this.#keys.stream, ids(false)), again: await of(this.#keys.again, ids(true)) }
  }

  #run(run: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return runScript(this.#options.commands, run, keys, args)
  }
}
