// Copyright the kaapana-multimodal authors. SPDX-License-Identifier: Apache-2.0
package io.github.kaapanamultimodal.fhir;

import ca.uhn.fhir.interceptor.api.Hook;
import ca.uhn.fhir.interceptor.api.Interceptor;
import ca.uhn.fhir.interceptor.api.Pointcut;
import ca.uhn.fhir.rest.api.server.RequestDetails;
import ca.uhn.fhir.rest.server.exceptions.AuthenticationException;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;

/** Demands "Authorization: Bearer FHIR_TOKEN" on every request except the capability statement. */
@Interceptor
public class BearerTokenInterceptor {

	private final byte[] expected;

	public BearerTokenInterceptor(String token) {
		expected = ("Bearer " + token).getBytes(StandardCharsets.UTF_8);
	}

	@Hook(Pointcut.SERVER_INCOMING_REQUEST_POST_PROCESSED)
	public void authenticate(RequestDetails request) {
		if ("metadata".equals(request.getOperation())) {
			return;
		}
		String given = request.getHeader("Authorization");
		if (given == null || !MessageDigest.isEqual(expected, given.getBytes(StandardCharsets.UTF_8))) {
			AuthenticationException error = new AuthenticationException("A valid bearer token is required");
			error.addResponseHeader("WWW-Authenticate", "Bearer realm=\"fhir\"");
			throw error;
		}
	}
}
