# SPDX-License-Identifier: Apache-2.0
"""Content by its hash: files and directories named by CID, the same CIDs as every IPFS implementation gives.

    port            the Store protocol and its ExportLimits; what roles depend on
    pinning         the Pinner protocol: somebody reachable who holds content for us
    delivery        hands content to pinners and proves that it can be fetched from outside
    node_pinner     another swarm node as Pinner
    pin_service     a service behind the IPFS Pinning Service API as Pinner
    embedded        a Store in a directory, reading on from gateways and pushing to one
    kubo            a Store in a running IPFS daemon (RPC API)
    fake            a Store and a Pinner in memory, for unit tests

    cid             CIDv1, sha2-256, raw and dag-pb: text, bytes, digest
    dagpb           the dag-pb node and the UnixFS message inside it, strict and bounded
    importer        files and directories → blocks (profile unixfs-v1-2025 of IPIP-0499)
    reader          blocks → files and directories, nothing trusted
    car             CARv1, streamed
    flatfs          blocks in a directory, in Kubo's layout
    gateway_server  serves blocks over HTTP as a trustless gateway; accepts CAR uploads
    gateway_client  fetches blocks from gateways, pushes CARs
    wire            HTTP with somebody who may be hostile
    tally           what became of the requests

Every block is hashed whenever it is read or received, whoever it comes from.
"""
