// SPDX-License-Identifier: Apache-2.0
// Prints, as JSON, the CID that ipfs-unixfs-importer gives each path under the profile unixfs-v1-2025.
//
//   node cids.mjs '{"paths": ["/a/file", "/a/directory"], "chunkBytes": 1048576, "width": 1024}'
//
// Only for tests: chunkBytes and width are the profile's own unless given.

import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { MemoryBlockstore } from 'blockstore-core'
import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'

async function * entries (path, name) {
  if ((await stat(path)).isDirectory()) {
    yield { path: name }
    for (const child of await readdir(path)) {
      yield * entries(join(path, child), `${name}/${child}`)
    }
  } else {
    yield { path: name, content: createReadStream(path) }
  }
}

async function cidOf (path, options) {
  let last
  for await (const entry of importer(entries(path, 'root'), new MemoryBlockstore(), options)) {
    last = entry
  }
  return last.cid.toString()
}

const { paths, chunkBytes, width } = JSON.parse(process.argv[2])
const options = { profile: 'unixfs-v1-2025' }
if (chunkBytes !== undefined) {
  options.chunker = fixedSize({ chunkSize: chunkBytes })
}
if (width !== undefined) {
  options.layout = balanced({ maxChildrenPerNode: width })
}
const cids = {}
for (const path of paths) {
  cids[path] = await cidOf(path, options)
}
console.log(JSON.stringify(cids))
