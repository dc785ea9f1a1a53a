import { expect, test } from 'bun:test'
import { readdir } from 'node:fs/promises'
import { contracts } from '../../../shared/events/contracts/all.ts'
import { createRegistry } from '../../../shared/events/registry.ts'

const FOLDER = new URL('../../../shared/events/contracts/schemas/', import.meta.url)

test('the committed JSON Schemas are those of the contracts', async () => {
  const schemas = createRegistry(contracts).jsonSchemas()

  for (const [name, schema] of Object.entries(schemas)) {
    expect(await Bun.file(new URL(`${name}.json`, FOLDER)).json()).toEqual(schema)
  }
  const names = Object.keys(schemas).map((name) => `${name}.json`)
  expect((await readdir(FOLDER)).toSorted()).toEqual(names.toSorted())
})
