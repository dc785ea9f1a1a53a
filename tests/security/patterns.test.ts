import { describe, expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { findSlowPatterns, patternsOf } from '@kiln/shared/checks'

const all = patternsOf(resolve(import.meta.dirname, '../..'))

describe('texts that a pattern takes long to refuse', () => {
  test('are tried with every pattern that the source has', () => {
    const sources = all.map(({ source }) => source)

    expect(sources).toContain('^[a-z][a-z0-9-]{0,62}$')
    expect(sources).toContain('^[^@\\s]+@[^@\\s.]+(\\.[^@\\s.]+)+$')
  })

  test('are none: the time grows as the text does', async () => {
    expect(await findSlowPatterns(all)).toEqual([])
  }, 180_000)

  test('would be found: two parts that share what they take need the square of the time', async () => {
    const source = '^\\d+\\d+x$'

    expect(await findSlowPatterns([{ place: 'a test', source, flags: '' }])).toEqual([
      `/${source}/ of a test`,
    ])
  }, 180_000)
})
