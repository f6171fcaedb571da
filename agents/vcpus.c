/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agents/vcpus.h"

#include <string.h>

#include <libxml/parser.h>
#include <libxml/xpath.h>

#include "base/text.h"

static uint32_t number_of(xmlNodePtr attribute)
{
	xmlChar *text = xmlNodeGetContent(attribute);
	uint64_t number = 0;

	if (!text || text_parse_uint((const char *)text, 0, UINT32_MAX, &number) < 0)
		number = 0;
	xmlFree(text);
	return (uint32_t)number;
}

uint32_t vcpus_max(const char *capabilities)
{
	xmlDocPtr doc = xmlReadMemory(capabilities, (int)strlen(capabilities), NULL, NULL,
				      XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	xmlXPathContextPtr context = doc ? xmlXPathNewContext(doc) : NULL;
	xmlXPathObjectPtr found = NULL;
	uint32_t most = 0;

	if (context)
		found = xmlXPathEvalExpression(
			(const xmlChar *)"/capabilities/guest/arch//machine/@maxCpus", context);
	for (int i = 0; found && found->nodesetval && i < found->nodesetval->nodeNr; i++) {
		uint32_t number = number_of(found->nodesetval->nodeTab[i]);

		most = number > most ? number : most;
	}
	xmlXPathFreeObject(found);
	xmlXPathFreeContext(context);
	xmlFreeDoc(doc);
	return most;
}
