import { describe, expect, test } from 'bun:test'
import { Alarm } from '../../../../../shared/postgres/outbox/alarm.ts'

describe('an alarm', () => {
  test('rings several times after a poke, then not for a long time', async () => {
    const alarm = new Alarm(60_000)
    let rings = 0
    const run = (async () => {
      while (rings < 5) {
        await alarm.wait()
        rings++
      }
    })()

    const pokedAt = performance.now()
    alarm.poke()
    await run

    expect(performance.now() - pokedAt).toBeGreaterThan(45)
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
