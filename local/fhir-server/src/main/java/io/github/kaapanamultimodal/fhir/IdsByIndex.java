package io.github.kaapanamultimodal.fhir;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.hibernate.resource.jdbc.spi.StatementInspector;

/**
 * Lets H2 find the resources of a transaction by its index.
 *
 * <p>HAPI asks for all ids of a transaction at once, as <code>TYPE=? and ID=? or TYPE=? and ID=? or ...</code>. H2 uses
 * no index for that: it reads the table of all resources for each transaction, so that a server becomes slower with
 * each load. The same question as <code>(TYPE, ID) in ((?,?), ...)</code> takes the index, with the parameters in the
 * same order. PostgreSQL needs no help.
 */
public class IdsByIndex implements StatementInspector {
	private static final String PAIR = "rt1_0\\.RES_TYPE=\\? and rt1_0\\.FHIR_ID=\\?";
	private static final Pattern PAIRS = Pattern.compile("\\((" + PAIR + "(?: or " + PAIR + ")+)\\)");

	@Override
	public String inspect(String sql) {
		if (!sql.contains("rt1_0.FHIR_ID=? or rt1_0.RES_TYPE=?")) {
			return sql;
		}
		Matcher pairs = PAIRS.matcher(sql);
		return pairs.replaceAll(found -> "(rt1_0.RES_TYPE,rt1_0.FHIR_ID) in ("
				+ found.group(1).replaceAll(PAIR, "(?,?)").replace(" or ", ",")
				+ ")");
	}
}
