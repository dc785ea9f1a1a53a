import { describe, expect, test } from 'bun:test'
import { eventually } from '@kiln/shared/testing'
import { Alarm } from '../../../../../shared/postgres/outbox/alarm.ts'

/** When an alarm rang after a poke, milliseconds, until it had been silent for a second. */
async function ringsAfterPoke() {
  const alarm = new Alarm(60_000)
  const times: number[] = []
  const pokedAt = performance.now()
  alarm.poke()
  for (;;) {
    const silence = setTimeout(() => alarm.ring(), 1000)
    await alarm.wait()
    clearTimeout(silence)
    const ms = performance.now() - pokedAt
    if (ms > 1000) return { alarm, times }
    times.push(ms)
  }
}

describe('an alarm', () => {
  test('rings several times after a poke, then not for a long time', async () => {
    // A machine that stands still for a moment leaves some out.
    const { alarm, times } = await eventually(async () => {
      const rung = await ringsAfterPoke()
      expect(rung.times).toHaveLength(5)
      return rung
    })

    expect(times.at(-1)).toBeGreaterThan(45)
    const ended = alarm.wait().then(() => 'rung')
    alarm.ring()
    expect(await ended).toBe('rung')
  })

  test('is not put off by pokes that keep coming', async () => {
    const alarm = new Alarm(60_000)
    let isRung = false
    const waiting = alarm.wait().then(() => {
      isRung = true
    })

    let pokes = 0
    while (!isRung && pokes < 10_000) {
      alarm.poke()
      pokes++
      await new Promise((resolve) => setTimeout(resolve, 1))
    }

    await waiting
    expect(pokes).toBeLessThan(10_000)
  })

  test('that rests is not woken by a poke', async () => {
    const alarm = new Alarm(60_000)
    const startedAt = performance.now()

    const resting = alarm.rest(60)
    alarm.poke()
    await resting

    expect(performance.now() - startedAt).toBeGreaterThan(50)
  })
})
