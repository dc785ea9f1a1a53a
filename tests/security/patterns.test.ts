import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { sourceFiles } from '@kiln/shared/checks'
import { eventually } from '@kiln/shared/testing'
import { type FoundPattern, patternsIn } from './support/pattern-sources.ts'

const root = resolve(import.meta.dirname, '../..')
const all = sourceFiles(root, ['src', 'shared']).flatMap((file) =>
  patternsIn(readFileSync(join(root, file), 'utf8'), file),
)

/** Those that hostile texts of 10,000 characters keep busy for longer than a pass over them may take. */
async function slowOf(patterns: readonly FoundPattern[]): Promise<readonly string[]> {
  const worker = new Worker(new URL('./support/pattern-worker.ts', import.meta.url).href)
  const state = { begun: 'nothing', slow: [] as string[], done: false }
  worker.onmessage = ({ data }: MessageEvent<{ begun?: string; slow?: string; done?: boolean }>) => {
    if (data.slow !== undefined) state.slow.push(data.slow)
    Object.assign(
      state,
      data.begun === undefined ? {} : { begun: data.begun },
      data.done ? { done: true } : {},
    )
  }
  worker.postMessage(patterns)
  try {
    await eventually(() => expect(state.done).toBe(true), { timeoutMs: 150_000 })
    return state.slow
  } catch {
    return [...state.slow, state.begun]
  } finally {
    worker.terminate()
  }
}

describe('texts that a pattern takes long to refuse', () => {
  test('are tried with every pattern that the source has', () => {
    const sources = all.map(({ source }) => source)

    expect(sources).toContain('^[\\w.:@-]{1,128}$')
    expect(sources).toContain('^[^@\\s]+@[^@\\s.]+(\\.[^@\\s.]+)+$')
    expect(sources).toContain('^(?:\\[([^\\]]+)\\]|(\\d[\\d.]+))(?::\\d{1,5})?$')
    expect(sources.length).toBeGreaterThan(60)
  })

  test('are none: the time grows as the text does', async () => {
    expect(await slowOf(all)).toEqual([])
  }, 180_000)

  test('would be found: two parts that share what they take need the square of the time', async () => {
    const source = '^\\d+\\d+x$'

    expect(await slowOf([{ place: 'a test', source, flags: '' }])).toEqual([`/${source}/ of a test`])
  }, 180_000)
})
