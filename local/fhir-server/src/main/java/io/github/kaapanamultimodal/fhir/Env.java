// Copyright the kaapana-multimodal authors. SPDX-License-Identifier: Apache-2.0
package io.github.kaapanamultimodal.fhir;

/** Settings read from the environment. */
final class Env {
	private Env() {}

	static String get(String name, String fallback) {
		String value = System.getenv(name);
		return value == null || value.isBlank() ? fallback : value;
	}

	static boolean flag(String name, boolean fallback) {
		return Boolean.parseBoolean(get(name, Boolean.toString(fallback)));
	}

	static int number(String name, int fallback) {
		return Integer.parseInt(get(name, Integer.toString(fallback)));
	}
}
