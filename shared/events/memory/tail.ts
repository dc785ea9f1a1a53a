import type { StreamTail } from '../live/tail.ts'
import type { MemoryBroker } from './streams.ts'

const MAX_WAIT_MS = 2000

/** Reads several tags of one broker at once. */
export function memoryTail(broker: MemoryBroker): StreamTail {
  let wakeAll = () => {}
  let open = true
  return {
    async read(after, count) {
      if (!open) throw new Error('the tail is closed')
      const look = () =>
        new Map(
          [...after].flatMap(([tag, id]) => {
            const entries = broker.stream(tag).after(id, count)
            return entries.length > 0 ? [[tag, entries] as const] : []
          }),
        )
      const found = look()
      if (found.size > 0 || after.size === 0) return found
      const wakes: (() => void)[] = []
      wakeAll = () => {
        for (const wake of wakes) wake()
      }
      await Promise.race(
        [...after.keys()].map((tag) => broker.stream(tag).wait(MAX_WAIT_MS, (wake) => wakes.push(wake))),
      )
      wakeAll()
      return look()
    },
    async close() {
      open = false
      wakeAll()
    },
  }
}
