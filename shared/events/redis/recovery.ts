import type { Entry, Recovered } from '../transport.ts'
import { CLAIM, OWN, REMOVE_CONSUMER, TAKE_BETWEEN } from './holding-scripts.ts'
import { aliveKey, type GroupKeys } from './keys.ts'
import type { MemberOptions } from './member-options.ts'
import { type HeldReply, heldEntry, recordOf } from './replies.ts'
import { runScript } from './run-script.ts'

const SCAN_COUNT = 100
const SUSPECT_AFTER = 2
const START = '0-0'

/** Finds entries that somebody holds and nobody works on: ours after a cut reply, others' after their end. */
export class Recovery {
  readonly #options: MemberOptions
  readonly #keys: GroupKeys
  /** Starting over each time would never reach the entries behind those that stay. */
  readonly #cursors = new Map<string, string>()
  #all = false

  constructor(options: MemberOptions, keys: GroupKeys) {
    this.#options = options
    this.#keys = keys
  }

  /** Ordered groups, on becoming the leader: everything pending is ours, however lately it was delivered. */
  takeAll(): void {
    this.#all = true
    this.#cursors.clear()
  }

  async recover(busy: ReadonlyMap<string, unknown>, maxCount: number): Promise<Recovered> {
    const own = await this.own(busy, maxCount)
    if (own.entries.length > 0) return { ...own, more: true }
    const deleted = [...own.deleted]
    for (const source of this.#sources) {
      if (this.#cursors.get(source) === 'done') continue
      const claimed = await this.#claim(source, Math.min(maxCount, SCAN_COUNT))
      deleted.push(...claimed.deleted)
      return { entries: claimed.entries, deleted, more: true }
    }
    this.#cursors.clear()
    this.#all = false
    await this.#removeGoneConsumers()
    return { entries: [], deleted, more: false }
  }

  /** What this consumer holds and `busy` does not know. */
  async own(busy: ReadonlyMap<string, unknown>, maxCount: number): Promise<Recovered> {
    const { commands, group, consumer } = this.#options
    const entries: Entry[] = []
    const deleted: string[] = []
    for (const source of this.#sources) {
      const again = source === this.#keys.again
      const known: string[] = []
      for (const ref of busy.keys()) {
        if (ref.startsWith('again:') === again) known.push(again ? ref.slice('again:'.length) : ref)
      }
      const reply = await runScript(commands, OWN, [source], [group, consumer, maxCount, ...known])
      const [held, gone] = reply as [HeldReply[], string[]]
      for (const entry of held) entries.push(heldEntry(entry, again))
      deleted.push(...gone)
    }
    return { entries, deleted, more: entries.length > 0 }
  }

  /** Takes what the group was delivered between two ids, ends left out, and `busy` does not know. */
  async between(
    after: string | undefined,
    before: string,
    busy: ReadonlyMap<string, unknown>,
  ): Promise<Entry[]> {
    const { commands, group, consumer } = this.#options
    const from = after === undefined ? '-' : `(${after}`
    const anything = await commands.xpending(this.#keys.stream, group, from, `(${before}`, 1)
    if (anything.length === 0) return []
    const entries: Entry[] = []
    const known = [...busy.keys()].filter((ref) => !ref.startsWith('again:'))
    for (;;) {
      const args = [group, consumer, from, before, SCAN_COUNT, ...known]
      const held = (await runScript(commands, TAKE_BETWEEN, [this.#keys.stream], args)) as HeldReply[]
      if (held.length === 0) return entries
      for (const entry of held) {
        entries.push(heldEntry(entry, false))
        known.push(entry[0])
      }
    }
  }

  get #sources(): readonly string[] {
    // The heads of held keys come before what waits behind them.
    return [this.#keys.again, this.#keys.stream]
  }

  async #claim(source: string, count: number): Promise<Omit<Recovered, 'more'>> {
    const { commands, group, consumer, keepAliveMs } = this.#options
    const idleMs = this.#all ? 0 : keepAliveMs * 3
    const cursor = this.#cursors.get(source) ?? START
    const args = [group, consumer, idleMs, cursor, count, SUSPECT_AFTER]
    const [next, held, deleted] = (await runScript(commands, CLAIM, [source], args)) as [
      string,
      HeldReply[],
      string[],
    ]
    this.#cursors.set(source, next === START ? 'done' : next)
    return { entries: held.map((entry) => heldEntry(entry, source === this.#keys.again)), deleted }
  }

  async #removeGoneConsumers(): Promise<void> {
    const { commands, group, consumer } = this.#options
    for (const source of this.#sources) {
      const consumers = ((await commands.xinfo('CONSUMERS', source, group)) as string[][]).map(recordOf)
      for (const { name = '', pending } of consumers) {
        if (name === consumer || Number(pending) > 0) continue
        const lives = await commands.exists(aliveKey(this.#keys, group, name))
        if (lives === 0) await runScript(commands, REMOVE_CONSUMER, [source], [group, name])
      }
    }
  }
}
