import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createSbom } from '@kiln/shared/sbom'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import packageJson from '../../package.json' with { type: 'json' }

const root = resolve(import.meta.dirname, '../..')
const schemas = resolve(import.meta.dirname, '../node_modules/@cyclonedx/cyclonedx-library/res/schema')
const readSchema = (name: string) =>
  JSON.parse(readFileSync(join(schemas, `${name}.SNAPSHOT.schema.json`), 'utf8'))

test('the bill of materials is valid CycloneDX 1.6', () => {
  const ajv = new Ajv({ strict: false, formats: { 'idn-email': true, 'iri-reference': true } })
  addFormats.default(ajv)
  for (const name of ['jsf-0.82', 'spdx', 'cryptography-defs'])
    ajv.addSchema(readSchema(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`)
  const validate = ajv.compile(readSchema('bom-1.6'))

  const sbom = createSbom(root, packageJson, { name: 'bun', version: '1.2.3' })

  expect(validate(sbom) ? [] : validate.errors).toEqual([])
  expect(validate({ ...sbom, bomFormat: 'other' })).toBe(false)
})
