import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')

describe('the code in README', () => {
  const blocks = [...readme.matchAll(/```ts (\S+)\n([\s\S]*?)```/g)]
  /** README may show code less deep in than it is. */
  const flat = (text: string) =>
    text
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean)
      .join('\n')

  test.each(blocks.map(([, file = '', code = '']) => [file, code]))('of %s is there', (file, code) => {
    expect(flat(readFileSync(join(root, file), 'utf8'))).toContain(flat(code))
  })

  test('names a file for every block', () => {
    expect(readme.match(/^```ts$/gm)).toBeNull()
    expect(blocks.length).toBeGreaterThan(4)
  })
})
