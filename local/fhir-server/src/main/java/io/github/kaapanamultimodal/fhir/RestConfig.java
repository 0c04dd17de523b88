// Copyright the kaapana-multimodal authors. SPDX-License-Identifier: Apache-2.0
package io.github.kaapanamultimodal.fhir;

import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.interceptor.api.IInterceptorBroadcaster;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.dao.DaoRegistry;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.delete.ThreadSafeResourceDeleterSvc;
import ca.uhn.fhir.jpa.interceptor.CascadingDeleteInterceptor;
import ca.uhn.fhir.jpa.interceptor.UserRequestRetryVersionConflictsInterceptor;
import ca.uhn.fhir.jpa.provider.IJpaSystemProvider;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.narrative2.NullNarrativeGenerator;
import ca.uhn.fhir.parser.StrictErrorHandler;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import ca.uhn.fhir.validation.IValidatorModule;
import org.springframework.boot.web.servlet.ServletRegistrationBean;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** The REST endpoint: providers, paging, cascading delete, optional validation and bearer token. */
@Configuration
public class RestConfig {

	@Bean
	public RestfulServer restfulServer(
			IFhirSystemDao<?, ?> systemDao,
			IJpaSystemProvider systemProvider,
			ResourceProviderFactory resourceProviders,
			DaoRegistry daos,
			DatabaseBackedPagingProvider paging,
			JpaStorageSettings settings,
			ISearchParamRegistry searchParams,
			IValidationSupport validationSupport,
			IInterceptorBroadcaster broadcaster,
			ThreadSafeResourceDeleterSvc deleter,
			IValidatorModule validator) {
		RestfulServer server = new RestfulServer(systemDao.getContext());
		server.getFhirContext().setNarrativeGenerator(new NullNarrativeGenerator());
		if (Env.flag("FHIR_STRICT", true)) {
			server.getFhirContext().setParserErrorHandler(new StrictErrorHandler());
		}
		server.setDefaultResponseEncoding(EncodingEnum.JSON);
		server.registerProviders(resourceProviders.createProviders());
		server.registerProvider(systemProvider);

		JpaCapabilityStatementProvider metadata =
				new JpaCapabilityStatementProvider(server, systemDao, settings, searchParams, validationSupport);
		metadata.setImplementationDescription("FHIR R4 server");
		server.setServerConformanceProvider(metadata);

		paging.setDefaultPageSize(50);
		paging.setMaximumPageSize(Env.number("FHIR_MAX_PAGE", 1000));
		server.setPagingProvider(paging);

		server.registerInterceptor(
				new CascadingDeleteInterceptor(systemDao.getContext(), daos, broadcaster, deleter));
		server.registerInterceptor(new UserRequestRetryVersionConflictsInterceptor());

		String token = Env.get("FHIR_TOKEN", "");
		if (!token.isEmpty()) {
			server.registerInterceptor(new BearerTokenInterceptor(token));
		}
		if (Env.flag("FHIR_VALIDATE", false)) {
			server.registerInterceptor(new ValidationInterceptor(systemDao.getContext(), validator));
		}
		return server;
	}

	@Bean
	public ServletRegistrationBean<RestfulServer> fhirServlet(RestfulServer server) {
		ServletRegistrationBean<RestfulServer> servlet = new ServletRegistrationBean<>(server, "/fhir/*");
		servlet.setLoadOnStartup(1);
		return servlet;
	}
}
