// Copyright the kaapana-multimodal authors. SPDX-License-Identifier: Apache-2.0
package io.github.kaapanamultimodal.opensearch;

import org.codelibs.opensearch.runner.OpenSearchRunner;

import java.io.IOException;

/** Runs one OpenSearch node on 127.0.0.1 until SIGTERM; arguments: data folder, HTTP port, transport port. */
public final class OpenSearchNode {
	private OpenSearchNode() {}

	public static void main(String[] args) throws InterruptedException {
		if (args.length != 3) {
			System.err.println("usage: opensearch-node.jar DATA_FOLDER HTTP_PORT TRANSPORT_PORT");
			System.exit(2);
		}
		OpenSearchRunner runner = new OpenSearchRunner();
		Runtime.getRuntime().addShutdownHook(new Thread(() -> close(runner)));
		// Set here, since the runner's own main adds 1 to the port and fails silently above 9299.
		runner.onBuild((number, settings) -> {
			settings.put("http.port", args[1]);
			settings.put("transport.port", args[2]);
			settings.put("discovery.type", "single-node");
			settings.put("network.host", "127.0.0.1");
			settings.put("cluster.routing.allocation.disk.threshold_enabled", "false");
		});
		runner.build(OpenSearchRunner.newConfigs().basePath(args[0]).numOfNode(1).clusterName("multimodal"));
		Thread.currentThread().join();
	}

	private static void close(OpenSearchRunner runner) {
		try {
			runner.close();
		} catch (IOException error) {
			error.printStackTrace();
		}
	}
}
