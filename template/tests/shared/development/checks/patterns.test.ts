import { expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { patternsOf } from '@kiln/shared/checks'

test('the patterns of `shared` are found, as literals and as texts of schemas, but for those of its tools', () => {
  const found = patternsOf(resolve(import.meta.dirname, '../../../../..'))

  const sources = found.map(({ source }) => source)
  expect(sources).toContain('^[\\w.:@-]{1,128}$')
  expect(sources).toContain('^(?:\\[([^\\]]+)\\]|(\\d[\\d.]+))(?::\\d{1,5})?$')
  expect(sources.length).toBeGreaterThan(60)
  expect(found.filter(({ place }) => place.startsWith('shared/development/'))).toEqual([])
})
