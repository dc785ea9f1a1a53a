import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { defences } from '../attacks/defences/all.ts'

const root = resolve(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(resolve(root, file), 'utf8')

test('the table of attacks names each defence and its test', () => {
  const rows = [
    ...read('docs/SECURITY-TESTS.md').matchAll(
      /^\| .+? \| `(.+?)` \| (.+?) \| (?:\d+ failed|goes on for ever) \|$/gm,
    ),
  ]

  expect(rows.map(([, file, name]) => `${name}: ${file}`)).toEqual(
    defences.map(({ name, test }) => `${name}: ${test.replace(/^\.\//, '')}`),
  )
  expect(defences.filter(({ test }) => !existsSync(resolve(root, test)))).toEqual([])
})

test.each(defences.map((defence) => [defence.name, defence] as const))(
  'what is taken out for "%s" stands in the code once',
  (_, { edits }) => {
    for (const { file, find } of edits) expect(read(file).split(find)).toHaveLength(2)
  },
)
