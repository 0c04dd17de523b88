// Copyright the kaapana-multimodal authors. SPDX-License-Identifier: Apache-2.0
package io.github.kaapanamultimodal.fhir;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.SpringBootConfiguration;
import org.springframework.boot.autoconfigure.ImportAutoConfiguration;
import org.springframework.boot.autoconfigure.web.servlet.ServletWebServerFactoryAutoConfiguration;
import org.springframework.context.annotation.Import;

import java.util.Map;

/** Starts the FHIR R4 server under /fhir; every setting is an environment variable (see {@link Env}). */
@SpringBootConfiguration
@ImportAutoConfiguration(ServletWebServerFactoryAutoConfiguration.class)
@Import({StorageConfig.class, RestConfig.class})
public class FhirServer {

	public static void main(String[] args) {
		if (Env.get("FHIR_DB_URL", "").isEmpty()) {
			// No fallback: a server that quietly forgets on restart is worse than none.
			System.err.println("FHIR_DB_URL is not set: name the database, e.g. jdbc:h2:file:/path/to/fhir");
			System.exit(2);
		}
		SpringApplication app = new SpringApplication(FhirServer.class);
		app.setDefaultProperties(Map.of(
				"server.address", Env.get("FHIR_HOST", "127.0.0.1"),
				"server.port", Env.get("FHIR_PORT", "8080"),
				"server.shutdown", "graceful",
				"server.tomcat.relaxed-query-chars", "|",
				"spring.main.banner-mode", "off",
				"spring.main.allow-circular-references", "true",
				"logging.level.root", Env.get("FHIR_LOG_LEVEL", "WARN")));
		app.run(args);
	}
}
