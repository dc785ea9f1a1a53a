import { describe, expect, test } from 'bun:test'
import { createLifecycle } from '@kiln/shared/lifecycle'

describe('closing what was opened', () => {
  test('goes in reverse order, each awaited', async () => {
    const lifecycle = createLifecycle()
    const closed: string[] = []
    for (const name of ['first', 'second', 'third']) {
      lifecycle.opened(name, async () => {
        await new Promise(setImmediate)
        closed.push(name)
      })
    }

    const open = await lifecycle.close({ timeoutMs: 1000 })

    expect(closed).toEqual(['third', 'second', 'first'])
    expect(open).toEqual([])
  })

  test('goes on after one that fails, and names it', async () => {
    const lifecycle = createLifecycle()
    const error = new Error('stuck')
    let closed = false
    lifecycle.opened('first', () => {
      closed = true
    })
    lifecycle.opened('second', () => {
      throw error
    })

    const open = await lifecycle.close({ timeoutMs: 1000 })

    expect(closed).toBe(true)
    expect(open).toEqual([{ name: 'second', error }])
  })

  test('ends at the deadline and names what is still open', async () => {
    const lifecycle = createLifecycle()
    lifecycle.opened('first', () => {})
    lifecycle.opened('second', () => new Promise(() => {}))
    lifecycle.opened('third', () => {})

    const open = await lifecycle.close({ timeoutMs: 20 })

    expect(open).toEqual([{ name: 'first' }, { name: 'second' }])
  })
})
